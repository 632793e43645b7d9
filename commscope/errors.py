"""The exception tree: what went wrong, where, and what to do about it.

CommScopeError            anything the user can understand and act on; exit code 2
├── UsageProblem          the request itself makes no sense (options, paths, existing output)
├── UnreadableTrace       a file or folder cannot be read as a trace
├── IncompleteTrace       it can be read, but lacks what the question needs
├── NotComparable         two runs answer different questions
├── BudgetProblem         a budget file cannot be understood
├── BackendProblem        what recording needs is not there (GPU, port, shared memory, nsys)
└── RecordFailed          a recorded rank failed; carries the child's exit code
"""

from __future__ import annotations

from commscope.printable import printable

EXIT_FINE = 0
EXIT_BUDGET_BROKEN = 1
EXIT_PROBLEM = 2
EXIT_INTERRUPTED = 130


class CommScopeError(Exception):
    """A problem told in three lines: what, where, hint."""

    exit_code = EXIT_PROBLEM

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        told = (("error", self.what), ("where", self.where), ("hint", self.hint))
        return "\n".join(f"{word}: {printable(text)}" for word, text in told if text or word == "error")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.hint, self.exit_code)


def _rebuild(kind: type[CommScopeError], what: str, where: str, hint: str, exit_code: int) -> CommScopeError:
    """Exceptions cross process boundaries when ranks are analyzed in workers."""
    error = kind(what, where=where, hint=hint)
    error.exit_code = exit_code
    return error


class UsageProblem(CommScopeError):
    """The request itself makes no sense."""


class UnreadableTrace(CommScopeError):
    """A file or folder cannot be read as a trace."""


class IncompleteTrace(CommScopeError):
    """A trace can be read but lacks what the question needs."""


class NotComparable(CommScopeError):
    """Two runs answer different questions."""


class BudgetProblem(CommScopeError):
    """A budget file cannot be understood."""


class BackendProblem(CommScopeError):
    """What recording needs is not on this machine."""


class RecordFailed(CommScopeError):
    """A recorded rank failed; `exit_code` is the child's."""
