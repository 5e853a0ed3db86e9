"""What runs a pipeline: the command line, a server, exports, explanations, whole corpora."""
