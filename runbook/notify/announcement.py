"""How people are told: one message in the incident channel, through Apprise."""

import logging

from pydantic import SecretStr

from runbook.actions import Action, ActionName, Message, Scope
from runbook.errors import Inconclusive, SettingsError

# Apprise logs the addresses that it sends to, and those hold passwords.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class Channel:
    """The incident channel behind one Apprise URL, which is a secret."""

    def __init__(self, url: SecretStr, deadline: float) -> None:
        """`deadline` is in seconds. Raises SettingsError when Apprise does not know such an address."""
        # Loading it takes a while, and nobody is told anything before the end.
        import apprise  # noqa: PLC0415

        self._sender = apprise.Apprise()
        asset = apprise.AppriseAsset(async_mode=False)
        timed = url.get_secret_value()
        timed += f"{'&' if '?' in timed else '?'}cto={deadline:g}&rto={deadline:g}"
        notifier = apprise.Apprise.instantiate(timed, asset=asset, suppress_exceptions=True)
        if notifier is None:
            raise SettingsError(
                "the secret that announcement.url names is no Apprise address",
                "see the Apprise documentation for the address of your chat",
            )
        self._sender.add(notifier)
        self.service = str(notifier.service_name)

    def announcing(self, title: str, message: str, head: str = "") -> Action:
        """The change that posts one message; `head` is the journal's head hash that it names."""

        def send() -> str:
            if not self._sender.notify(title=title, body=message):
                raise Inconclusive(
                    f"the announcement was not accepted by the incident channel ({self.service})",
                    "tell people by hand, and check the secret that announcement.url names",
                )
            return f"accepted by the incident channel ({self.service}): {title}"

        return Action(
            ActionName.ANNOUNCE,
            "the rollback is announced",
            scope=Scope.PEOPLE,
            resource=self.service,
            message=Message(title, message, send, head),
        )
