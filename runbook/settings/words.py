"""The types of text and numbers in a settings file, and each pattern in words."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

_URL: Final = r"^https?://[^\s/@]+(/[^\s]*)?$"
_PATH: Final = r"^/\S*$"
_HOST: Final = r"^[A-Za-z0-9._-]+(:\d+)?$"
_HEADER: Final = r"^[A-Za-z0-9-]+$"
_HOST_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$"
_IDENTIFIER: Final = r"^[^\x00]+$"
_PROJECT: Final = r"^[a-z0-9][a-z0-9_-]*$"
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
_WINDOW: Final = r"^\d+[smh]$"
_REMINDER: Final = r"^[1-9]\d{0,3}[hd]$"
_LABEL: Final = r"^[^,\s](?:[^,]*[^,\s])?$"
_WORD_LABEL: Final = r"^[^\s,]+$"
_REPOSITORY: Final = r"^[\w.-]+/[\w.-]+$"
_PROJECT_PATH: Final = r"^[\w./-]+$"
_JIRA_KEY: Final = r"^[A-Z][A-Z0-9_]*$"
_ABSOLUTE: Final = r"^/[^\x00]*$"
_WORKFLOW: Final = r"^[\w. -]+$"
_MODULE: Final = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HttpUrl = Annotated[str, StringConstraints(pattern=_URL)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
UrlPath = Annotated[str, StringConstraints(pattern=_PATH)]
HostHeader = Annotated[str, StringConstraints(pattern=_HOST)]
HostName = Annotated[str, StringConstraints(pattern=_HOST_NAME)]
HeaderName = Annotated[str, StringConstraints(pattern=_HEADER)]
# A name in PostgreSQL's catalog, at most 63 bytes.
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=_IDENTIFIER)]
# The names that Compose accepts (https://docs.docker.com/compose/how-tos/project-name/).
ProjectName = Annotated[str, StringConstraints(pattern=_PROJECT)]
VariableName = Annotated[str, StringConstraints(pattern=_VARIABLE)]
Window = Annotated[str, StringConstraints(pattern=_WINDOW)]
Reminder = Annotated[str, StringConstraints(pattern=_REMINDER)]
Label = Annotated[str, StringConstraints(pattern=_LABEL)]
WordLabel = Annotated[str, StringConstraints(pattern=_WORD_LABEL)]
Repository = Annotated[str, StringConstraints(pattern=_REPOSITORY)]
ProjectPath = Annotated[str, StringConstraints(pattern=_PROJECT_PATH)]
JiraKey = Annotated[str, StringConstraints(pattern=_JIRA_KEY)]
AbsolutePath = Annotated[str, StringConstraints(pattern=_ABSOLUTE)]
Workflow = Annotated[str, StringConstraints(pattern=_WORKFLOW)]
ModuleName = Annotated[str, StringConstraints(pattern=_MODULE)]

#: Each pattern in words.
IN_WORDS: Final = {
    _URL: "a URL that begins with http:// or https://, without a user name or password in it",
    _PATH: "a path that begins with / and has no spaces",
    _HOST: "a host name, optionally with a port (shop.example.com:8080)",
    _HOST_NAME: "the name of a host: letters, digits, dots, hyphens",
    _HEADER: "the name of a header: letters, digits and hyphens",
    _IDENTIFIER: "a name in the database",
    _PROJECT: "a Compose project's name: lower-case letters, digits, - and _, a letter or digit first",
    _VARIABLE: "the name of a variable: letters, digits and _, no digit first",
    _WINDOW: "a number with s, m or h (10m)",
    _REMINDER: "a number of at most four digits with h or d (24h)",
    _LABEL: "a label without commas",
    _WORD_LABEL: "a label without spaces and commas",
    _REPOSITORY: "a repository: owner/name",
    _PROJECT_PATH: "a project's path, such as group/name, or its number",
    _JIRA_KEY: "a Jira project's key: capital letters, digits and _",
    _ABSOLUTE: "an absolute path",
    _MODULE: "a Python module's name, such as our_steps or our.steps",
    _WORKFLOW: "a workflow's file name or id, such as deploy.yml",
}
