"""Serving a trained character model: a page that shows the text grow, its hidden units in colour, and JSON."""

from .run import ServeError, serve
from .walk import Step, walk
