"""The labels by which everything that rehearsals make is found again."""

REHEARSAL = "io.rollback-runbook.rehearsal"  # its value is the rehearsal's name
FOLDER = "io.rollback-runbook.folder"  # where the rehearsal's working folder lies
# On images that rehearsals share; their Dockerfiles set it first of all, so that a build cut short has it too.
PART = "io.rollback-runbook.part"
