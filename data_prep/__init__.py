"""Raw interactions in, a prepared dataset out: numpy, pandas, scipy and pyarrow; no TensorFlow."""
