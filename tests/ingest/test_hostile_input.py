"""Bad input is quarantined with its reason and place, and its neighbours are read; bombs are refused in little memory."""

import gzip
import io
import json
import subprocess
import sys
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.source import NotThisKind
from ingest.streams import MAX_LINE, Bomb, refuse_bombs
from tests.ingest.reading import read, read_text

TIME = "2026-09-08T13:00:00Z"
HEAD = "id,timestamp,model,input_tokens,output_tokens,cached_tokens,total_tokens\n"
FIELDS = HEAD.strip().split(",")
INPUT = {"litellm": "prompt_tokens", "generic": "input_tokens", "csv": "input_tokens"}
CLOCK = {"litellm": "startTime", "generic": "timestamp", "csv": "timestamp"}
JSON = ("litellm", "generic")
KINDS = (*JSON, "csv")


def record(kind, name, **fields):
    if kind == "litellm":
        base = {"id": name, "startTime": TIME, "model": "gpt-5", "prompt_tokens": 10, "completion_tokens": 5}
    else:
        base = {"id": name, "timestamp": TIME, "model": "gpt-5", "input_tokens": 10, "output_tokens": 5}
    return base | fields


def line(kind, name, literals=None, **fields):
    """One line; ``literals``: values written as they are, because Python cannot say them."""
    values = record(kind, name, **fields)
    if kind == "csv":
        return ",".join(str((literals or {}).get(field, values.get(field, ""))) for field in FIELDS)
    texts = {key: json.dumps(value) for key, value in values.items()} | (literals or {})
    return "{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()) + "}"


def load(tmp_path, kind, lines, *, end="\n", start=b""):
    """Read lines (texts or bytes) as this kind; a CSV gets its headings, so that its first record is on line 2."""
    raw = [item.encode() if isinstance(item, str) else item for item in lines]
    head = [HEAD.strip().encode()] if kind == "csv" else []
    data = start + end.encode().join([*head, *raw]) + end.encode()
    name = "input.csv" if kind == "csv" else "input.jsonl"
    return read_text(tmp_path, data, "generic" if kind == "csv" else kind, name=name), data


def assert_one_reject(tmp_path, kind, bad, reason):
    """The bad line stands between good ones: it alone is rejected, at its line and byte."""
    found, data = load(tmp_path, kind, [line(kind, "a"), bad, line(kind, "b")])
    place = 3 if kind == "csv" else 2
    assert found.reasons == [(f"line {place}", reason)]
    raw = bad.encode() if isinstance(bad, str) else bad
    assert found.rejects[0].offset == data.index(b"\n" + raw) + 1
    assert len(found.rejects[0].digest) == 32
    assert found.ids == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("-1", "negative"),
        (str(2**63), "too_large"),
        (str(10**12 + 1), "too_large"),
        ("9" * 5_000, "too_large"),
        ("NaN", "bad_number"),
        ("Infinity", "bad_number"),
        ("-Infinity", "bad_number"),
        ("1e400", "bad_number"),
        ("1e3", "bad_number"),
        ("10.5", "fractional"),
        ('"1_000"', "bad_number"),
        ('"١٢"', "bad_number"),
        ('"0x10"', "bad_number"),
        ('"1,000"', "bad_number"),
    ],
)
def test_a_count_that_is_none_is_rejected(tmp_path, kind, literal, reason):
    assert_one_reject(tmp_path, kind, line(kind, "bad", {INPUT[kind]: literal}), reason)


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("literal", ["true", "[1]", "{}"])
def test_a_count_of_another_type_is_rejected(tmp_path, kind, literal):
    assert_one_reject(tmp_path, kind, line(kind, "bad", {INPUT[kind]: literal}), "bad_number")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("literal", ["12", '"12"', "12.0", '" 12 "', "+12"])
def test_digits_as_text_and_integral_numbers_are_counts(tmp_path, kind, literal):
    if literal == "+12" and kind in JSON:
        literal = '"+12"'
    found, _ = load(tmp_path, kind, [line(kind, "a", {INPUT[kind]: literal}), line(kind, "b")])
    assert found.totals["input_uncached"] == 22


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("9999-12-31T23:59:59Z", "out_of_window"),
        ("0001-01-01T00:00:00Z", "out_of_window"),
        ("0001-01-01T00:00:00+10:00", "out_of_window"),
        ("9999-12-31T23:59:59-10:00", "out_of_window"),
        ("2014-12-31T23:59:59Z", "out_of_window"),
        ("2026-06-30T23:59:60Z", "bad_time"),
        ("2026-09-08T24:00:00Z", "bad_time"),
        ("2026-02-30T00:00:00Z", "bad_time"),
        ("2026-W36-2", "bad_time"),
        ("yesterday", "bad_time"),
        ("", "missing_time"),
    ],
)
def test_a_time_that_is_none_is_rejected(tmp_path, kind, time, reason):
    assert_one_reject(tmp_path, kind, line(kind, "bad", **{CLOCK[kind]: time}), reason)


@pytest.mark.parametrize("kind", ["generic", "csv"])
def test_a_time_without_an_offset_needs_a_zone(tmp_path, kind):
    assert_one_reject(tmp_path, kind, line(kind, "bad", timestamp="2026-09-08 13:00:00"), "bad_time")


def test_a_local_time_that_the_clock_skipped_is_rejected(tmp_path):
    mapping = {"time": "t", "model": "m", "input": "i", "zone": "Europe/Berlin"}
    times = ["2026-03-29 02:30:00", "2026-03-29 03:00:00"]
    text = "\n".join(json.dumps({"t": time, "m": "x", "i": 1}) for time in times)
    found = read_text(tmp_path, text, "generic", mapping=mapping)
    assert found.reasons == [("line 1", "bad_time")]
    assert found.rows[0]["occurred_at"].isoformat() == "2026-03-29T01:00:00+00:00"


@pytest.mark.parametrize("kind", ["generic", "csv"])
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cached_tokens": 11}, "cached_exceeds_input"),
        ({"total_tokens": 16}, "unexplained_total"),
        ({"model": ""}, "missing_model"),
    ],
)
def test_a_record_that_contradicts_itself_is_rejected(tmp_path, kind, fields, reason):
    assert_one_reject(tmp_path, kind, line(kind, "bad", **fields), reason)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 11}}}}, "cached_exceeds_input"),
        ({"metadata": {"usage_object": {"completion_tokens_details": {"reasoning_tokens": 6}}}}, "unexplained_total"),
        ({"total_tokens": 16}, "unexplained_total"),
        ({"model": None}, "missing_model"),
        ({"startTime": None}, "missing_time"),
        ({"id": None}, "unknown_shape"),
        ({"metadata": "{not json"}, "not_json"),
        ({"metadata": [1]}, "unknown_shape"),
    ],
)
def test_a_litellm_record_that_contradicts_itself_is_rejected(tmp_path, fields, reason):
    assert_one_reject(tmp_path, "litellm", line("litellm", "bad", **fields), reason)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_no_utf8_are_rejected(tmp_path, kind):
    assert_one_reject(tmp_path, kind, line(kind, "bad").encode().replace(b"gpt-5", b"gpt-\xff"), "bad_utf8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_nul_is_rejected(tmp_path, kind):
    assert_one_reject(tmp_path, kind, line(kind, "bad").encode().replace(b"gpt-5", b"gpt-\x00"), "bad_utf8")


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("escape", [r"\u0000", r"\ud800", r"\udc00x"])
def test_an_escaped_nul_or_lone_surrogate_is_rejected_where_it_is_read_and_ignored_elsewhere(tmp_path, kind, escape):
    assert_one_reject(tmp_path, kind, line(kind, "bad").replace("gpt-5", f"gpt-{escape}"), "bad_utf8")
    found, _ = load(tmp_path, kind, [line(kind, "a", {"note": f'"{escape}"'}), line(kind, "b")])
    assert found.ids == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_fifty_megabytes_is_rejected(tmp_path, kind):
    assert_one_reject(tmp_path, kind, line(kind, "bad").replace("gpt-5", "g" * 50_000_000), "too_long")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("extra", [0, 1])
def test_which_line_is_too_long_depends_on_its_length_alone(tmp_path, packed, extra):
    bad = line("generic", "x", note="")
    long = line("generic", "x", note="n" * (MAX_LINE - len(bad) + extra))
    data = "\n".join([line("generic", "a"), long, line("generic", "b")]).encode()
    found = read_text(tmp_path, gzip.compress(data) if packed else data, "generic")
    assert found.reasons == [("line 2", "too_long")] * extra
    assert found.ids == ["a", "b"] if extra else ["a", "x", "b"]


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("bad", ["{", "nonsense", '{"id": "x",}', '{"id": "x"} x', "{'id': 'x'}", '{"id": 01}'])
def test_a_line_that_is_no_json_is_rejected_wherever_it_stands(tmp_path, kind, bad):
    assert_one_reject(tmp_path, kind, bad, "not_json")
    found, _ = load(tmp_path, kind, [bad, line(kind, "a"), line(kind, "b")])
    assert (found.reasons, found.ids) == ([("line 1", "not_json")], ["a", "b"])


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("bad", ["5", '"text"', "null", "true"])
def test_a_line_that_is_no_object_is_rejected(tmp_path, kind, bad):
    assert_one_reject(tmp_path, kind, bad, "unknown_shape")


@pytest.mark.parametrize("kind", JSON)
def test_two_objects_on_one_line_are_rejected_even_where_another_takes_two(tmp_path, kind):
    whole = line(kind, "x")
    first, second = whole[: whole.index(",") + 1], whole[whole.index(",") + 1 :]
    found, _ = load(tmp_path, kind, [line(kind, "a"), whole + whole, first, second, line(kind, "b")])
    assert found.reasons == [("line 2", "not_json"), ("line 3", "not_json"), ("line 4", "not_json")]
    assert [place.offset for place in found.rejects] == sorted(place.offset for place in found.rejects)
    assert found.ids == ["a", "b"]


@pytest.mark.parametrize("kind", JSON)
def test_an_object_over_two_lines_is_rejected_also_as_the_first_of_a_file(tmp_path, kind):
    whole = line(kind, "x")
    first, second = whole[: whole.index(",") + 1], whole[whole.index(",") + 1 :]
    found, _ = load(tmp_path, kind, [first, second, line(kind, "b")])
    assert (found.reasons, found.ids) == ([("line 1", "not_json"), ("line 2", "not_json")], ["b"])


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_without_end_is_rejected(tmp_path, kind, opening):
    closing = {"[": "]", '{"a":': "}"}[opening]
    deep = opening * 100_000 + "1" + closing * 100_000
    assert_one_reject(tmp_path, kind, line(kind, "bad", {"model": deep}), "not_json")


@pytest.mark.parametrize("kind", JSON)
def test_a_key_that_is_given_twice_is_rejected(tmp_path, kind):
    bad = line(kind, "bad")[:-1] + f', "{INPUT[kind]}": 11}}'
    assert_one_reject(tmp_path, kind, bad, "unknown_shape")


def test_a_page_that_gives_a_key_twice_is_not_read_at_all(tmp_path):
    page = f'{{"data": [{line("litellm", "a")}], "data": [{line("litellm", "b")}]}}'
    found = read_text(tmp_path, page, "litellm", name="page.json")
    assert found.reasons == [("document", "unknown_shape")]


@pytest.mark.parametrize("kind", JSON)
def test_what_is_odd_in_a_field_that_nobody_reads_does_no_harm(tmp_path, kind):
    odd = ["NaN", "1e400", "9" * 5_000, "true", '{"a": [[]]}', "-0"]
    lines = [line(kind, f"n{number}", {"note": literal}) for number, literal in enumerate(odd)]
    alone = [load(tmp_path, kind, [text])[0] for text in lines]
    together, _ = load(tmp_path, kind, [*lines, "damaged"])
    assert [found.ids for found in alone] == [[name] for name in together.ids]
    assert len(together.ids) == len(odd)


@pytest.mark.parametrize("kind", KINDS)
def test_blank_lines_carriage_returns_and_a_byte_order_mark_are_no_content(tmp_path, kind):
    lines = ["", line(kind, "a"), "", "  ", line(kind, "b"), ""]
    if kind == "csv":
        lines = lines[1:]
    for end in ("\n", "\r\n"):
        for start in (b"", b"\xef\xbb\xbf"):
            found, _ = load(tmp_path, kind, lines, end=end, start=start)
            assert (found.ids, found.reasons) == (["a", "b"], [])


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_count_bytes_also_behind_a_mark_and_carriage_returns(tmp_path, kind):
    bad = line(kind, "bad", {INPUT[kind]: "-1"}, model="gpt-ü")
    found, data = load(tmp_path, kind, [line(kind, "a", model="größe"), bad], end="\r\n", start=b"\xef\xbb\xbf")
    assert [place.offset for place in found.rejects] == [data.index(bad.encode())]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_a_last_newline_is_read_to_its_end(tmp_path, kind):
    found, data = load(tmp_path, kind, [line(kind, "a"), line(kind, "b")])
    again = read_text(tmp_path, data[:-1], "generic" if kind == "csv" else kind, name="x.csv" if kind == "csv" else "x")
    assert again.rows == found.rows


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_holds_no_records(tmp_path, kind, text):
    assert read_text(tmp_path, text, kind).read == 0
    assert read_text(tmp_path, gzip.compress(text.encode()), kind).read == 0


def test_an_empty_csv_has_no_headings_and_is_refused(tmp_path):
    with pytest.raises(NotThisKind, match="no headings"):
        read_text(tmp_path, "", "generic", name="x.csv")
    assert read_text(tmp_path, HEAD, "generic", name="x.csv").read == 0


@pytest.mark.parametrize("kind", KINDS)
def test_equal_ids_are_all_handed_on_with_their_lines(tmp_path, kind):
    found, _ = load(tmp_path, kind, [line(kind, "a"), line(kind, "a"), line(kind, "a", model="other")])
    assert found.ids == ["a", "a", "a"]
    first = 2 if kind == "csv" else 1
    assert [row["record"] for row in found.rows] == [first, first + 1, first + 2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_nothing_but_bad_lines_keeps_their_order(tmp_path, kind):
    reasons = ["negative", "bad_time", "fractional"] * 3
    bad = {"negative": {INPUT[kind]: -1}, "bad_time": {CLOCK[kind]: "x"}, "fractional": {INPUT[kind]: 1.5}}
    found, _ = load(tmp_path, kind, [line(kind, "bad", **bad[reason]) for reason in reasons])
    first = 2 if kind == "csv" else 1
    assert found.reasons == [(f"line {number}", reason) for number, reason in enumerate(reasons, first)]


# --- compressed files


def many(kind, count=5_000):
    lines = [line(kind, f"id{number}", {}, **{INPUT[kind]: number}) for number in range(count)]
    return ((HEAD if kind == "csv" else "") + "\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_gzip_is_read_up_to_its_end_and_its_last_line_rejected(tmp_path, kind):
    packed = gzip.compress(many(kind))
    whole = zlib.decompressobj(wbits=31).decompress(packed[: len(packed) // 2])
    name = "x.csv.gz" if kind == "csv" else "x.jsonl.gz"
    found = read_text(tmp_path, packed[: len(packed) // 2], "generic" if kind == "csv" else kind, name=name)
    lines = whole.count(b"\n")
    assert found.truncated
    assert len(found.rows) == lines - (kind == "csv")
    assert found.reasons == [(f"line {lines + 1}", "truncated_stream")]
    assert found.rejects[0].offset == whole.rindex(b"\n") + 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_gzip_says_so_and_keeps_what_came_before(tmp_path, kind):
    packed = bytearray(gzip.compress(many(kind, 30_000), mtime=0))
    packed[-200:-100] = b"\xff" * 100
    name = "x.csv.gz" if kind == "csv" else "x.jsonl.gz"
    found = read_text(tmp_path, bytes(packed), "generic" if kind == "csv" else kind, name=name)
    assert found.truncated
    assert found.ids[:5_000] == [f"id{number}" for number in range(5_000)]
    assert len(found.rows) < 30_000, "what the damage hid is not made up"


@pytest.mark.parametrize("kind", JSON)
def test_a_truncated_document_is_no_document(tmp_path, kind):
    page = json.dumps({"data": [record(kind, "a")]}, indent=1).encode()
    found = read_text(tmp_path, gzip.compress(page)[:-20], kind, name="page.json.gz")
    assert found.truncated
    assert found.rows == []


def test_a_gzip_of_several_members_is_one_file(tmp_path):
    parts = gzip.compress(line("litellm", "a").encode() + b"\n") + gzip.compress(line("litellm", "b").encode() + b"\n")
    assert read_text(tmp_path, parts, "litellm").ids == ["a", "b"]


def test_the_name_of_a_file_does_not_make_it_compressed(tmp_path):
    assert read_text(tmp_path, line("litellm", "a"), "litellm", name="x.jsonl.gz").ids == ["a"]
    assert read_text(tmp_path, gzip.compress(line("litellm", "a").encode()), "litellm", name="x.jsonl").ids == ["a"]


# --- CSV


def test_a_quotation_that_is_not_closed_costs_its_own_line_alone(tmp_path):
    lines = [
        line("csv", "a"),
        line("csv", "bad", {"model": '"gpt'}),
        *(line("csv", f"n{number}") for number in range(2_000)),
    ]
    found, _ = load(tmp_path, "csv", lines)
    assert found.reasons == [("line 3", "unknown_shape")]
    assert len(found.rows) == 2_001


def test_a_quoted_field_may_hold_newlines_delimiters_and_odd_separators(tmp_path):
    lines = [line("csv", "a", {"model": '"gpt\n5, ""x\u2028y"""'}), line("csv", "b", {"model": 'gpt 5"'})]
    found, _ = load(tmp_path, "csv", lines)
    assert [row["model_served"] for row in found.rows] == ['gpt\n5, "x\u2028y"', 'gpt 5"']
    assert [row["record"] for row in found.rows] == [2, 4]


@pytest.mark.parametrize("bad", ["a,b", line("csv", "bad") + ",,", line("csv", "bad")[:-8]])
def test_a_line_with_too_few_or_too_many_fields_is_rejected(tmp_path, bad):
    assert_one_reject(tmp_path, "csv", bad, "unknown_shape")


def test_the_delimiter_is_the_headings_own(tmp_path):
    for mark, name in ((";", "x.csv"), ("\t", "x.tsv"), ("\t", "x.csv")):
        text = HEAD.replace(",", mark) + line("csv", "a").replace(",", mark)
        assert read_text(tmp_path, text, "generic", name=name).ids == ["a"]
        assert read_text(tmp_path, f"sep={mark}\r\n{text}", "generic", name=name).ids == ["a"]


def test_a_heading_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(NotThisKind, match="model twice"):
        read_text(tmp_path, HEAD.replace("total_tokens", "model") + line("csv", "a"), "generic", name="x.csv")


def test_a_file_that_is_named_csv_and_holds_json_is_json(tmp_path):
    assert read_text(tmp_path, line("generic", "a"), "generic", name="x.csv").ids == ["a"]


# --- bombs: refused, and in little memory

MEASURED = """
import resource, sys
from pathlib import Path
from ingest.streams import Bomb, refuse_bombs
from tests.ingest.reading import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    refuse_bombs(Path(sys.argv[1]))
    read(Path(sys.argv[1]), sys.argv[2])
    print("read", 0)
except Bomb as bomb:
    print("refused", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def refusal(path, kind):
    """Refused or read, and the megabytes it took beyond the imports."""
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path), kind], capture_output=True, text=True, check=True)
    word, megabytes = done.stdout.split()
    return word, int(megabytes)


@pytest.mark.slow
def test_a_megabyte_of_gzip_that_holds_a_gigabyte_is_refused_in_little_memory(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for _ in range(1_024):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush())
    assert path.stat().st_size < 1.1e6
    word, megabytes = refusal(path, "litellm")
    assert word == "refused"
    assert megabytes < 64


@pytest.mark.slow
def test_a_parquet_of_two_megabytes_and_twenty_million_rows_is_refused_in_little_memory(tmp_path):
    path = tmp_path / "bomb.parquet"
    rows = 1_000_000
    table = pa.table(
        {"timestamp": pa.repeat(TIME, rows), "model": pa.repeat("m", rows), "input_tokens": pa.repeat(1, rows)}
    )
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(table)
    assert path.stat().st_size < 2e6
    word, megabytes = refusal(path, "generic")
    assert word == "refused"
    assert megabytes < 64


@pytest.mark.slow
def test_a_parquet_whose_texts_are_too_long_is_read_without_them(tmp_path):
    path = tmp_path / "texts.parquet"
    rows = 3_000
    columns = {"id": [f"i{number}" for number in range(rows)], "timestamp": [TIME] * rows, "input_tokens": [1] * rows}
    columns["model"] = ["m" * 200_000 if number % 2 else "m" for number in range(rows)]
    pq.write_table(pa.table(columns), path, compression="zstd")
    found = read(path, "generic")
    assert len(found.rows) == rows // 2
    assert set(found.reasons) == {(f"row {number}", "too_long") for number in range(2, rows + 1, 2)}


def test_a_parquet_of_few_kilobytes_and_much_text_is_refused(tmp_path):
    path = tmp_path / "texts.parquet"
    columns = {"timestamp": [TIME] * 1_000, "input_tokens": [1] * 1_000, "model": ["m" * (1 << 17)] * 1_000}
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=False)
    with pytest.raises(Bomb):
        read(path, "generic")


def test_a_damaged_parquet_is_refused_or_broken_off_but_never_crashes(tmp_path):
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"timestamp": [TIME] * 1_000, "model": ["m"] * 1_000, "input_tokens": list(range(1_000))}), buffer
    )
    data = bytearray(buffer.getvalue())
    with pytest.raises(NotThisKind):
        read_text(tmp_path, bytes(data[:-40]), "generic", name="x.parquet")
    data[60:400] = bytes(340)
    found = read_text(tmp_path, bytes(data), "generic", name="x.parquet")
    assert found.truncated
    assert found.rows == []


def test_a_document_beyond_its_bound_is_refused(tmp_path):
    path = tmp_path / "page.json"
    path.write_bytes(b'{\n "data": [' + b" " * (65 << 20) + b"]}")
    with pytest.raises(Bomb):
        read(path, "litellm")


def test_honest_compression_is_no_bomb(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(many("litellm", 20_000)))
    refuse_bombs(path)
