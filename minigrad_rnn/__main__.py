"""`python -m minigrad_rnn` is `minigrad-rnn`."""

from .cli import main

raise SystemExit(main())
