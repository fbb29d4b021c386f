"""The labels on everything that rehearsals create, used to find it again."""

REHEARSAL = "io.rollback-runbook.rehearsal"  # the value is the rehearsal's name
FOLDER = "io.rollback-runbook.folder"  # the value is the rehearsal's working folder
# On the shared images. Their Dockerfiles set it first, so that an interrupted build has it too.
PART = "io.rollback-runbook.part"
