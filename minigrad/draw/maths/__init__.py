"""Expressions and equations, from the recorded graph."""
