"""TensorFlow's fast paths, each equal to its `keras.ops` twin."""
