"""Packaging of multvae_tf, recvae_tf and data_prep; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="multvae-tf",
    version="0.1.0",
    description="Mult-VAE, Mult-DAE and RecVAE for TensorFlow and Keras 3",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["data_prep*", "multvae_tf*", "recvae_tf*"]),
    package_data={"multvae_tf": ["py.typed"], "recvae_tf": ["py.typed"], "data_prep": ["py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        "absl-py",
        "filelock",
        "importlib_resources",  # tensorflow-datasets 4.9 imports it, but does not ask for it
        "keras>=3.8",
        "matplotlib",
        "numpy",
        "pandas>=2.0",
        "pyarrow>=16",
        "scipy",
        "tensorboard",
        "tensorflow>=2.19",
        "tensorflow-datasets",
        "tensorflow-serving-api>=2.19",  # the messages of the warmup file
        "tqdm",
        "urllib3>=2",
    ],
    extras_require={
        "database": ["adbc-driver-postgresql", "adbc-driver-sqlite", "duckdb"],
        "docs": ["ipykernel", "mkdocs-jupyter", "mkdocs-material", "mkdocstrings[python]"],
        "gpu": ["tensorflow[and-cuda]>=2.19"],
        "linear": ["scikit-learn"],
        "report": ["markdown-it-py"],
        "test": [
            "adbc-driver-postgresql",
            "adbc-driver-sqlite",
            "check-jsonschema",
            "duckdb",
            "hypothesis",
            "implicit",
            "import-linter",
            "kubernetes-validate",
            "markdown-it-py",
            "mypy",
            "pandas-stubs",
            "pytest",
            "pytest-xdist",
            "pyyaml",
            "ruff",
            "scikit-learn",
            "trustme",
            "vermin",
        ],
    },
)
