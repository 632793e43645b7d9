"""What an agent may ask: read-only tools over runs under given roots, by the Model Context Protocol.

A run's name and a question in; the documents of the command line out, rows capped, what cannot be told in
words.
"""

from __future__ import annotations

from commscope.agents.server import serve, server_over

__all__ = ["serve", "server_over"]
