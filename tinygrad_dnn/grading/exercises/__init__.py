"""Exercises that come along, each as a teacher writes one; `tinygrad-dnn exercise list`."""
