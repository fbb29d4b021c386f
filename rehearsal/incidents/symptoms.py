"""The symptoms that users notice. Each function waits until the fault shows, and raises RehearsalError if not."""

from http import HTTPStatus

import httpx

from rehearsal.practice_production import PracticeProduction

EXPORT = "/exports/orders.csv"
PATIENCE = 60.0  # seconds; far more than needed, for busy machines


def orders_fail_and_jobs_die(practice: PracticeProduction) -> None:
    """Wait until orders answer 500 and readiness says that the jobs are gone."""

    def observe() -> str | None:
        return status_apart(practice, "/orders", HTTPStatus.INTERNAL_SERVER_ERROR) or readiness_apart(
            practice, HTTPStatus.SERVICE_UNAVAILABLE, jobs=False
        )

    practice.wait_for(observe, "/orders answering 500 and /readyz 503 because the jobs are gone", PATIENCE)


def orders_fail(practice: PracticeProduction) -> None:
    """Wait until orders answer 500 while readiness reports no problem."""

    def observe() -> str | None:
        return status_apart(practice, "/orders", HTTPStatus.INTERNAL_SERVER_ERROR) or readiness_apart(
            practice, HTTPStatus.OK, jobs=True
        )

    practice.wait_for(observe, "/orders answering 500 and /readyz 200", PATIENCE)


def known_customers_are_refused(practice: PracticeProduction) -> None:
    """Wait until an order by a known customer answers 500 while readiness reports no problem."""

    def observe() -> str | None:
        orders = practice.ask("/orders")
        if orders.status_code != HTTPStatus.OK:
            return f"/orders: {_seen(orders)}"
        order = {key: orders.json()[-1][key] for key in ("customer", "item", "quantity", "currency")}
        answer = practice.post("/orders", order)
        if answer.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"POST /orders: {_seen(answer)}"
        return readiness_apart(practice, HTTPStatus.OK, migrations_current=True)

    practice.wait_for(observe, "POST /orders answering 500 to known customers, and /readyz 200", PATIENCE)


def currencies_are_lost(practice: PracticeProduction) -> None:
    """Wait until every order shows euro, whatever its currency was, while readiness reports no problem."""

    def observe() -> str | None:
        orders = practice.ask("/orders")
        if orders.status_code != HTTPStatus.OK:
            return f"/orders: {_seen(orders)}"
        currencies = {order["currency"] for order in orders.json()}
        if currencies != {"EUR"}:
            return f"/orders: currencies {', '.join(sorted(currencies))}"
        return readiness_apart(practice, HTTPStatus.OK, migrations_current=True)

    practice.wait_for(observe, "/orders showing euro only, and /readyz 200", PATIENCE)


def export_leaks(practice: PracticeProduction) -> None:
    """Wait until the export gives all orders to anyone, while readiness reports no problem."""

    def observe() -> str | None:
        answer = practice.ask(EXPORT)
        if answer.status_code != HTTPStatus.OK or "Ada" not in answer.text:
            return f"{EXPORT}: {_seen(answer)}"
        return readiness_apart(practice, HTTPStatus.OK, migrations_current=True)

    practice.wait_for(observe, f"{EXPORT} answering 200 without a token, and /readyz 200", PATIENCE)


def status_apart(practice: PracticeProduction, path: str, status: HTTPStatus) -> str | None:
    """Return None if the path answers with that status, otherwise what was seen."""
    answer = practice.ask(path)
    return None if answer.status_code == status else f"{path}: {_seen(answer)}"


def readiness_apart(practice: PracticeProduction, status: HTTPStatus, **parts: bool) -> str | None:
    """Return None if readiness answers with that status and contains `parts`, otherwise what was seen."""
    answer = practice.ask("/readyz")
    # While the api restarts, the gateway answers with an HTML page.
    spoken = answer.headers.get("Content-Type") == "application/json"
    if answer.status_code == status and spoken and parts.items() <= answer.json().items():
        return None
    return f"/readyz: {_seen(answer)}"


def _seen(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.text[:200]}"
