"""Env-file lines as people write them, including odd ones. test_env_file_lines asks Compose what they mean.

`@` stands for a unique name of the statement, and `«…»` encloses exactly the part that a change of that name replaces.
`~` stands for the end of a line, `^` for a carriage return, `→` for a tab, `·` for a space at the end.
"""

LINES = r"""
@=«v1»
@=«2025-12-18-rc1»
@=«v1»·
@ =«v1»
@= «v1»
@ = «v1»
  @=«v1»
→@→=→«v1»→
export @=«v1»
export→@=«v1»
  export   @ = «v1»
@:«v1»
@: «v1»
@ : «v1»
export @: «v1»
@: "«v1»"
@: '«v1»' # as YAML has it
@="«v1»"
@='«v1»'
@ = "«v1»"
@ = '«v1»'
@="«v1»" # comment
@='«v1»' # comment
@="«v1»"# comment
@="«v1»" x
@='«v1»' x
@="«v1»" # it's "quoted"
@=«v1» # comment
@=«v1» # @=v9
@=«v1→# after a tab»
@=«v1#2»
@=«v1#2» # and a comment
@=«#v1»
@=""
@=''
@=
@= # only a comment
@
@="«a b»"
@='«a b»'
@=«a b»
@=«a  b»·
@=«a=b»
@=«a:b»
@=«==»
@=«YWJjZA==»
@=«blue$$Heron77flies»
@='«blue$$Heron77flies»'
@="«blue$$Heron77flies»"
@=«a1b2$$c3d4$$»
@='«$literal»'
@='«${literal}»'
@=«pa$$$$word»
@PART=sup3r~@=«${@PART}-s3cret-${@PART}»
@PART=sup3r~@="«${@PART}-y»"
@PART=sup3r~@='«${@PART}-y»'
@PART=sup3r~@=«$@PART»
@PART=sup3r~@=«$@PART/x»
@PART=sup3r~@=«postgres://u:${@PART}@db:5432/shop?a=b»
@=«${@NO:-d3fault-k3y}»
@=«${@NO-d3fault-k3y}»
@="«${@NO:-d3fault k3y}»"
@PART=x~@=«${@PART:-d3fault}»
@PART=x~@=«${@PART:+given}»
@PART=x~@=«${@PART+given}»
@PART=x~@=«${@PART:?must be there}»
@=«${@NO:-${@NO2:-deep}}»
@PART=2025~@=«${@PART}-rc1»
@PART=2025~@="«${@PART}-rc1»" # the month and the release
@=v0~@=«v1»
@=v0~@=v8~@="«v1»"
@="v0"~@: «v1»
@=«v1»~#@=v9
#@=v9~@=«v1»
# @=v9~@=«v1»~# @=v9
@=«v1»~MY_@=v9
@=«v1»~@_OLD=v9
MY_@=v9~@=«v1»~@2=v9
@=«v1»~@AFTER=${@}-after
@=«v1»~@AFTER="<${@}>"
@="«one~two»"
@='«one~two»'
@="«-----BEGIN KEY-----~abc==~-----END KEY-----~»"
@OTHER="~@=v9~"~@=«v1»
@OTHER='~@=v9~'~@=«v1»
@="«one\ntwo»"
@="«one\ttwo»"
@='«one\ntwo»'
@=«one\ntwo»
@="«say \"hi\"»"
@='«it\'s»'
@=«it's»
@=«say "hi"»
@="«back\\slash»"
@=«back\slash»
@=«C:\dir\file»
@=«$(reboot)»
@=«`reboot`»
@=«;rm -rf»
@=«&&»
@=«{"json": "value"}»
@='«{"json": "value"}»'
@=«[1, 2]»
@=«*»
@=«!bang»
@=«%41»
@=«é漢😀»
@="«é漢😀»"
@=«v1»^
@="«v1»"^
@='«v1»' # comment^
export @=«v1»^
@=«blue$$Heron»^
@.dotted=«v1»
@-dashed=«v1»
@.x-y_z=«v1»
@_=«v1»
@=«v1»~~~  ~
@=«-v1»
@=«.v1»
@=«true»
@=«null»
@=«012»
@=«1e3»
"""


def statements() -> list[str]:
    """Return every statement, without the end of its last line."""
    meant = str.maketrans({"~": "\n", "^": "\r", "→": "\t", "·": " "})
    return [line.translate(meant) for line in LINES.split("\n") if line]


def named(statement: str, number: int) -> tuple[str, str]:
    """Return the statement with a unique name, and that name: the one whose value is between the marks."""
    name = f"K{number:03}"
    text = statement.replace("@", name)
    # A marked part is the last one of its statement; its name ends before = or :.
    head = text.partition("«")[0].rpartition("\n")[2].removeprefix("export").strip(" \t\"'")
    return text, head.removeprefix("export").rstrip("=: \t\"'").strip() if "«" in text else name
