"""In which migration state the database is, in the words of `xtask db status`, and the refusal to serve any other than the head.

The question is cheap and changes nothing, so that a health page may ask it at every call: rows of the version table, names in the
catalogue. `xtask db status` compares the whole schema; this page knows tables and columns.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.models import Base

CONFIG = Path(__file__).parents[1] / "alembic.ini"

_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
_ENUMS = "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd') AND n.nspname = 'public'"
_VERSION_TABLE = "SELECT has_table_privilege(to_regclass('public.alembic_version'), 'select')"


class State(StrEnum):
    """The states that this page can tell apart."""

    EMPTY = "empty"
    AT_HEAD = "at-head"
    BEHIND = "behind"
    UNKNOWN_REVISION = "unknown-revision"
    SEVERAL_HEADS = "several-heads"
    POPULATED_UNVERSIONED = "populated-unversioned"
    PARTLY_MIGRATED = "partly-migrated"
    UNREACHABLE = "unreachable"
    NO_PERMISSION = "no-permission"


@dataclass(frozen=True)
class Migration:
    """State of the database, where it is, and where the code wants it."""

    state: State
    revision: str | None
    head: str

    def why(self) -> str:
        """What is wrong, in a sentence that names both revisions."""
        return f"the database is {self.state}: it is at {self.revision or 'no revision'}, this code is at {self.head}"


class NotMigrated(RuntimeError):
    """The service does not start on a database that is not at the head."""


@cache
def scripts() -> ScriptDirectory:
    """The migrations that came with this code."""
    return ScriptDirectory.from_config(Config(CONFIG))


def look(engine: Engine) -> Migration:
    """Ask the database; whatever it answers, or does not, is a state."""
    heads = scripts().get_heads()
    head = ", ".join(heads)
    try:
        with engine.connect() as connection:
            state, revision = _classify(connection, heads, Base.metadata)
    except OperationalError as error:
        refused = any(words in str(error) for words in ("authentication failed", "permission denied", "no pg_hba.conf entry"))
        return Migration(State.NO_PERMISSION if refused else State.UNREACHABLE, None, head)
    except DBAPIError:
        return Migration(State.NO_PERMISSION, None, head)
    return Migration(state, revision, head)


def _classify(connection: Connection, heads: list[str], metadata: MetaData) -> tuple[State, str | None]:
    columns = {(table, column) for table, column in connection.execute(text(_COLUMNS)) if table != "alembic_version"}
    is_empty = not columns and connection.scalar(text(_ENUMS)) == 0
    readable = connection.scalar(text(_VERSION_TABLE))
    if readable is False:
        return State.NO_PERMISSION, None
    rows = sorted(connection.scalars(text("SELECT version_num FROM public.alembic_version"))) if readable else []
    if not rows:
        return (State.EMPTY if is_empty else State.POPULATED_UNVERSIONED), None
    revision = ", ".join(rows)
    if len(rows) > 1 or len(heads) > 1:
        return State.SEVERAL_HEADS, revision
    known = {script.revision for script in scripts().walk_revisions()}
    if revision not in known:
        return State.UNKNOWN_REVISION, revision
    if revision not in heads:
        return (State.PARTLY_MIGRATED if is_empty else State.BEHIND), revision
    wanted = {(table.name, column.name) for table in metadata.sorted_tables for column in table.columns}
    return (State.AT_HEAD if wanted <= columns else State.PARTLY_MIGRATED), revision


def require_head(engine: Engine) -> Migration:
    """The state when it is at the head; otherwise the service must not start, and nobody tries again in silence."""
    migration = look(engine)
    if migration.state is not State.AT_HEAD:
        raise NotMigrated(f"{migration.why()}; run the migrations first (`alembic upgrade head`), `xtask db status` says more")
    return migration
