"""Commands that stay and answer: the dashboard for people, the protocol server for agents."""
