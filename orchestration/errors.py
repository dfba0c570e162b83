"""The one error that users see: it names the thing, what is wrong with it and what to do."""

from __future__ import annotations


class LoyaltyError(Exception):
    """A failure that a user can act on; the command line prints it without a traceback and exits 1.

    Args:
        problem: One sentence that names the thing and what is wrong with it. Never a secret.
        remedy: What to do about it, in words or as a command to type.
        is_transient: Whether it may be over soon by itself, so that a run tries again.
    """

    def __init__(self, problem: str, *, remedy: str = "", is_transient: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.is_transient = is_transient

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}" if self.remedy else self.problem
