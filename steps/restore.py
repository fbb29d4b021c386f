"""Chapter 6: a dump is restored beside the live database, and the two swap names."""

from pytest_bdd import given, then, when

from runbook.actions import Action, Check
from runbook.chapters import post_rollback_validation
from runbook.chapters.context import Context
from runbook.chapters.people import telling
from runbook.chapters.restore import dump, places


@given("the dump is whole and reads back")
def dump_whole(context: Context) -> Check:
    return dump.whole(context)


@given("the dump is of this database")
def dump_fits(context: Context) -> Check:
    return dump.fits(context)


@given("the server has the roles and extensions that the dump needs")
def needs_met(context: Context) -> Check:
    return dump.needs_met(context)


@given("there is disk space for a second database")
def room(context: Context) -> Check:
    return dump.room(context)


@when("the dump is restored into a database beside the live one")
def restored_beside(context: Context) -> Action:
    return places.restoring_beside(context)


@then("the restored database has every table of the dump")
def restored_whole(context: Context) -> Check:
    return places.restored_whole(context)


@given("the restored database is whole")
def ready(context: Context) -> Check:
    return places.ready(context)


@when("the services that use the database are stopped")
def stopped(context: Context) -> Action:
    return places.stopping(context)


@when("a restore point of the live database is taken")
def live_restore_point_taken(context: Context) -> Action:
    return places.keeping(context)


@then("the restore point of the live database reads back")
def live_restore_point_reads_back(context: Context) -> Check:
    return places.kept(context)


@when("the restored and the live database swap names")
def swapped(context: Context) -> Action:
    return places.swapping(context)


@then("the live database is the restored one")
def in_place(context: Context) -> Check:
    return places.in_place(context)


@then("the row counts of both databases are on record")
def rows_told(context: Context) -> Check:
    return places.told(context)


@given("the state of production after the restore is on record")
def after_on_record(context: Context) -> Check:
    return post_rollback_validation.record_after(context)


@when("the restore is announced in the incident channel")
def announced(context: Context) -> Action:
    return telling.announcing_restore(context)
