"""Which SQL may run: one SELECT over the given tables, made only of parts that are named here.

It reads the tree that DuckDB's own parser makes of a statement (json_serialize_sql of DuckDB 2.0), so that what is
checked is what runs. Whatever is not listed is refused, also what later versions may add.
"""

from __future__ import annotations

from typing import Any

MAX_NODES = 20_000

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE"})
_RELATIONS = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "TABLE_FUNCTION"})
_MODIFIERS = frozenset("ORDER_MODIFIER LIMIT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING".split())
_EXPRESSIONS = frozenset(
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR "
    "POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW".split()
)
_TYPES = frozenset(
    "bigint bool boolean date dec decimal double float float4 float8 hugeint int int1 int2 int4 int8 integer interval json "
    "list long numeric real row short signed smallint string struct text time timestamp timestamptz tinyint ubigint "
    "uinteger usmallint utinyint varchar char".split()
) | {"timestamp with time zone", "double precision"}

# What reads, counts and formats values. Not here: whatever reads files, settings, variables or the environment, whatever
# looks at the catalog, whatever differs from call to call, and whatever makes much of little (repeat, lpad, range, format).
FUNCTIONS = frozenset(
    """+ - * / // % ** ^ || ~~ ~~* !~~ !~~* ~~~ ~ !~ ~* !~* ^@ @> <@ && -> ->> & | ! @
    abs ceil ceiling floor round trunc sign sqrt pow power exp ln log log10 log2 greatest least mod divide multiply add
    subtract isnan isfinite isinf fdiv
    count count_star count_if countif sum avg mean min max median mode quantile quantile_cont quantile_disc stddev
    stddev_samp stddev_pop variance var_samp var_pop corr any_value arg_min arg_max argmin argmax min_by max_by first last
    bool_and bool_or list array_agg string_agg group_concat listagg approx_count_distinct product histogram sum_no_overflow
    rank dense_rank rank_dense percent_rank cume_dist ntile row_number lag lead first_value last_value nth_value
    lower upper lcase ucase trim ltrim rtrim length len char_length character_length strlen substr substring left right
    replace reverse split string_split str_split split_part concat concat_ws contains starts_with ends_with prefix suffix
    instr strpos position like_escape not_like_escape ilike_escape not_ilike_escape regexp_matches regexp_full_match
    regexp_extract regexp_replace regexp_extract_all levenshtein editdist3 jaro_similarity jaro_winkler_similarity
    jaccard damerau_levenshtein hamming strip_accents ascii unicode nfc_normalize translate initcap
    coalesce ifnull nullif isnull if typeof
    list_value list_contains list_has array_contains array_has list_has_any list_has_all array_has_any array_has_all
    list_position list_indexof array_position list_distinct list_unique list_sort list_reverse_sort array_sort
    list_aggregate list_aggr array_aggregate list_sum list_avg list_min list_max list_count list_any_value list_first
    list_last list_extract list_element array_extract list_slice array_slice list_concat list_cat array_length
    list_filter filter list_transform apply array_filter array_transform array_to_string list_string_agg flatten
    list_intersect list_zip list_bool_and list_bool_or list_mode list_median cardinality unnest struct_extract
    struct_pack row map map_keys map_values map_extract element_at struct_extract_at struct_keys
    json_extract json_extract_string json_extract_path json_extract_path_text json_value json_exists json_contains
    json_array_length json_type json_valid json_keys json to_json from_json json_object json_array json_quote
    json_group_array json_array_contains json_structure
    year month day hour minute second quarter week weekofyear dayofweek weekday isodow dayofyear dayname monthname decade
    century yearweek isoyear date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub date_add
    extract epoch epoch_ms strftime strptime try_strptime make_date make_timestamp to_timestamp age last_day date
    to_years to_months to_days to_hours to_minutes to_seconds to_milliseconds to_weeks to_quarters time_bucket timezone
    current_date today now current_timestamp get_current_timestamp transaction_timestamp""".split()
)
_SYSTEM = ("duckdb_", "pg_", "sqlite_", "pragma_", "information_schema", "main", "temp", "system")


class Refused(Exception):
    """The statement is not one that may run; the message says what is in its way."""


def check(tree: dict[str, Any], tables: frozenset[str]) -> None:
    """`tree` is what json_serialize_sql gives; `tables` the names, in lower case, that may be read. Raises Refused."""
    if tree.get("error"):
        if tree.get("error_type") == "not implemented":
            raise Refused("Only a single SELECT may run")
        raise Refused(f"This is not SQL that DuckDB reads: {tree.get('error_message')}")
    statements = tree["statements"]
    if len(statements) != 1:
        raise Refused("Only a single SELECT may run")
    if statements[0].get("named_param_map"):
        raise Refused("Parameters can't be used")
    # (part of the tree, tables that can be read there): names of CTEs hold inside their own query alone.
    waiting: list[tuple[Any, frozenset[str]]] = [(statements[0]["node"], tables)]
    seen = 0
    while waiting:
        part, readable = waiting.pop()
        seen += 1
        if seen > MAX_NODES:
            raise Refused("The statement is too complex")
        if isinstance(part, list):
            waiting += [(item, readable) for item in part if isinstance(item, dict | list)]
        elif isinstance(part, dict):
            _check_part(part, readable)
            if "cte_map" in part:
                readable = _check_ctes(part["cte_map"]["map"], readable, waiting)
            waiting += [
                (value, readable)
                for name, value in part.items()
                if name != "cte_map" and isinstance(value, dict | list)
            ]


def _check_ctes(
    ctes: list[dict[str, Any]], readable: frozenset[str], waiting: list[tuple[Any, frozenset[str]]]
) -> frozenset[str]:
    """Each may read those before it, never itself: there its name would mean a table of the catalog."""
    for cte in ctes:
        name = cte["key"].lower()
        if name.startswith(_SYSTEM) or not name.isidentifier():
            raise Refused(f"{cte['key']!r} can't be the name of a WITH query")
        waiting.append((cte["value"], readable))
        readable = readable | {name}
    return readable


def _check_part(part: dict[str, Any], readable: frozenset[str]) -> None:
    for place in ("catalog", "schema", "catalog_name", "schema_name"):
        if part.get(place):
            raise Refused("Tables, types and functions must be named without a schema")
    if len((part.get("qualified_name") or {}).get("path", ())) > 1:
        raise Refused("Tables, types and functions must be named without a schema")
    if "class" in part:
        if part["class"] not in _EXPRESSIONS:
            raise Refused(f"{str(part['class']).capitalize()} expressions can't be used")
        if part["class"] == "TYPE" and part["type_name"].lower() not in _TYPES:
            raise Refused(f"The type {part['type_name']!r} can't be used")
    elif "type" in part and part["type"] not in _QUERIES | _RELATIONS | _MODIFIERS:
        raise Refused(f"{str(part['type']).replace('_', ' ').capitalize()} can't be used")
    if "function_name" in part and part["function_name"].lower() not in FUNCTIONS:
        raise Refused(f"The function {part['function_name']!r} can't be used")
    if part.get("sample") or part.get("at_clause"):
        raise Refused("TABLESAMPLE and AT can't be used")
    if part.get("type") == "BASE_TABLE" and part["table_name"].lower() not in readable:
        raise Refused(f"There is no table {part['table_name']!r}; there are: {', '.join(sorted(readable))}")
    if part.get("type") == "TABLE_FUNCTION" and part["function"]["function_name"].lower() != "unnest":
        raise Refused(f"The table function {part['function']['function_name']!r} can't be used")
