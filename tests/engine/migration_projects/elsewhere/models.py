"""Tables in two metadata collections, one of them in both."""

from sqlalchemy import Column, Integer, MetaData, Table, Text

first = MetaData()
second = MetaData(schema="second")
third = MetaData()
Table("things", first, Column("id", Integer, primary_key=True), Column("note", Text, nullable=False, default="x"))
Table("others", second, Column("id", Integer, primary_key=True))
Table("things", third, Column("id", Integer, primary_key=True), Column("note", Text, nullable=False))
