//! ClickHouse's HTTP protocol against the real engine, spoken byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::{encode, post, request, run, serve_as_child, shared_engine};

fn address() -> SocketAddr {
    shared_engine()
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn child_process() {
    serve_as_child(|options| {
        options.limits.max_body_bytes = 200 << 20;
        options.limits.max_buffered_result_bytes = 8 << 20;
    });
}

#[test]
fn ping_and_unknown_paths_are_answered_without_a_statement() {
    for path in ["/ping", "/replicas_status", "/"] {
        let answer = request(address(), "GET", path, &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ok.\n"), "{path}");
    }
    assert_eq!(request(address(), "GET", "/nothing", &[], b"").status, 404);
    assert_eq!(request(address(), "DELETE", "/", &[], b"").status, 405);
}

#[test]
fn a_statement_comes_in_the_address_in_the_body_or_in_both() {
    let both = format!("/?query={}", encode("SELECT 1 +"));
    assert_eq!(request(address(), "GET", "/?query=SELECT%201", &[], b"").text(), "1\n");
    assert_eq!(request(address(), "POST", "/", &[], b"SELECT 2 -- two").text(), "2\n");
    assert_eq!(request(address(), "POST", &both, &[], b"41 FORMAT JSONCompactEachRow").text(), "[42]\n");
}

#[test]
fn headers_name_format_query_id_time_zone_and_display_name() {
    let target = "/?query=SELECT%201&default_format=JSONEachRow&query_id=abc-1";
    let answer = request(address(), "GET", target, &[], b"");
    assert_eq!(answer.header("x-clickhouse-format"), "JSONEachRow");
    assert_eq!(answer.header("x-clickhouse-query-id"), "abc-1");
    assert_eq!(answer.header("content-type"), "application/x-ndjson; charset=UTF-8");
    assert!(!answer.header("x-clickhouse-timezone").is_empty() && !answer.header("x-clickhouse-server-display-name").is_empty());
    assert!(answer.header("x-clickhouse-summary").starts_with("{\"read_rows\""));
    let named = request(address(), "POST", "/", &[("X-ClickHouse-Format", "CSV")], b"SELECT 'a'");
    assert_eq!((named.text().as_str(), named.header("x-clickhouse-format")), ("\"a\"\n", "CSV"));
}

#[test]
fn errors_have_clickhouses_codes_statuses_and_words() {
    let cases = [
        ("SELEC 1", 62, 400),
        ("SELECT * FROM no_such_table", 60, 404),
        ("INSERT INTO no_such_table VALUES (1)", 60, 404),
        ("SELECT 1 FROM no_such_database.t", 81, 404),
        ("SELECT toUInt8('x')", 6, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT 1 INTO OUTFILE '/tmp/engine-test'", 358, 500),
        ("", 62, 400),
        ("SELECT 1 FORMAT Nonsense", 73, 404),
    ];
    for (statement, code, status) in cases {
        let answer = post(address(), statement);
        assert_eq!(
            (answer.status, answer.header("x-clickhouse-exception-code")),
            (status, code.to_string().as_str()),
            "{statement}: {}",
            answer.text()
        );
        assert!(answer.text().starts_with(&format!("Code: {code}. DB::Exception: ")), "{}", answer.text());
    }
}

#[test]
fn get_changes_nothing() {
    let answer = request(address(), "GET", &format!("/?query={}", encode("CREATE TABLE g (a Int8) ENGINE = Memory")), &[], b"");
    assert_eq!(answer.header("x-clickhouse-exception-code"), "164", "{}", answer.text());
    run(address(), "CREATE TABLE get_insert (a Int8) ENGINE = Memory");
    let answer = request(address(), "GET", &format!("/?query={}", encode("INSERT INTO get_insert FORMAT CSV")), &[], b"1\n");
    assert_eq!(answer.header("x-clickhouse-exception-code"), "164", "{}", answer.text());
    assert_eq!(run(address(), "SELECT count() FROM get_insert"), "0\n");
}

#[test]
fn parameters_settings_and_the_database_hold_for_their_request_only() {
    run(address(), "CREATE DATABASE only_here");
    run(address(), "CREATE TABLE only_here.t (a UInt8) ENGINE = MergeTree ORDER BY a");
    let ask = |target: &str, statement: &str| request(address(), "POST", target, &[], statement.as_bytes());
    let state = "SELECT currentDatabase(), getSetting('max_block_size')";
    assert_eq!(ask("/?database=only_here&max_block_size=77", state).text(), "only_here\t77\n");
    assert_eq!(request(address(), "POST", "/", &[("X-ClickHouse-Database", "only_here")], b"EXISTS t").text(), "1\n");
    for _ in 0..5 {
        assert_ne!(ask("/", state).text(), "only_here\t77\n");
    }
    assert_eq!(ask("/?database=nowhere", "SELECT 1").header("x-clickhouse-exception-code"), "81");
    assert_eq!(ask("/?no_such_setting=1", "SELECT 1").header("x-clickhouse-exception-code"), "115");
    let bound = ask("/?param_x=it%27s&param_l=[1,2]", "SELECT {x:String}, arraySum({l:Array(UInt8)})");
    assert_eq!(bound.text(), "it\\'s\t3\n");
    assert_eq!(ask("/", "SELECT {x:String}").header("x-clickhouse-exception-code"), "456");
}

#[test]
fn a_parameterised_view_takes_its_parameter() {
    run(address(), "CREATE VIEW above AS SELECT number FROM numbers(10) WHERE number > {least:UInt64}");
    assert_eq!(run(address(), "SELECT sum(number) FROM above(least = 7)"), "17\n");
    let answer = request(address(), "POST", "/?param_p=8", &[], b"SELECT sum(number) FROM above(least = {p:UInt64})");
    assert_eq!(answer.text(), "9\n");
}

#[test]
fn row_binary_survives_newlines_nul_bytes_and_any_cut() {
    run(address(), "CREATE TABLE bytes (n UInt32, s String) ENGINE = MergeTree ORDER BY n");
    let insert = format!("/?query={}", encode("INSERT INTO bytes (n, s) FORMAT RowBinary"));
    assert_eq!(request(address(), "POST", &insert, &[], b"").status, 200, "no rows at all");
    let mut rows = Vec::new();
    for n in 0..2000_u32 {
        rows.extend_from_slice(&n.to_le_bytes());
        rows.push(8);
        rows.extend_from_slice(&[0, b'\n', b'\n', b';', b'\'', 0xff, (n % 256) as u8, b'\n']);
    }
    let answer = request(address(), "POST", &insert, &[], &rows);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("x-clickhouse-summary").contains("\"written_rows\":\"2000\""));
    let in_body = [b"INSERT INTO bytes FORMAT RowBinary\n".as_slice(), &rows].concat();
    assert_eq!(request(address(), "POST", "/", &[], &in_body).status, 200);
    let back = post(address(), "SELECT n, s FROM bytes ORDER BY n LIMIT 1 BY n FORMAT RowBinary");
    assert!(back.body == rows, "the bytes came back changed");
    assert_eq!(run(address(), "SELECT count() FROM bytes"), "4000\n");
}

#[test]
fn an_insert_that_breaks_off_or_is_cut_short_is_refused() {
    run(address(), "CREATE TABLE broken (n UInt64) ENGINE = MergeTree ORDER BY n");
    let insert = format!("/?query={}", encode("INSERT INTO broken FORMAT RowBinary"));
    let answer = request(address(), "POST", &insert, &[], &[1, 2, 3]);
    assert_eq!(answer.header("x-clickhouse-exception-code"), "33", "{}", answer.text());
    let mut stream = TcpStream::connect(address()).unwrap();
    let head = format!("POST {insert} HTTP/1.1\r\nHost: {}\r\nContent-Length: 8000\r\n\r\n", address());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[0; 4000]).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(run(address(), "SELECT count() FROM broken"), "0\n");
}

#[test]
fn values_and_text_formats_are_inserted() {
    run(address(), "CREATE TABLE texts (a UInt8, s String DEFAULT 'none') ENGINE = MergeTree ORDER BY a");
    run(address(), "INSERT INTO texts VALUES (1, 'a;\n\nb'), (1 + 1, lower('X'))");
    run(address(), "INSERT INTO texts FORMAT JSONEachRow\n{\"a\": 3}\n\n{\"a\": 4, \"s\": \"y\"}\n");
    run(address(), "INSERT INTO texts SELECT a + 10, s FROM texts WHERE a = 4");
    assert_eq!(run(address(), "SELECT * FROM texts ORDER BY a"), "1\ta;\\n\\nb\n2\tx\n3\tnone\n4\ty\n14\ty\n");
}

#[test]
fn a_large_insert_and_a_large_result_pass_in_bounded_memory() {
    run(address(), "CREATE TABLE large (n UInt64, m UInt64) ENGINE = MergeTree ORDER BY n");
    let rows: Vec<u8> = (0..6_500_000_u64).flat_map(|n| [n.to_le_bytes(), (n * 7).to_le_bytes()]).flatten().collect();
    let before = engine::resident_memory_bytes().unwrap().0;
    let insert = format!("/?query={}", encode("INSERT INTO large FORMAT RowBinary"));
    let started = Instant::now();
    let answer = request(address(), "POST", &insert, &[], &rows);
    println!("100 MB in {:?}, own memory {} -> {} MB", started.elapsed(), before >> 20, engine::resident_memory_bytes().unwrap().0 >> 20);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(run(address(), "SELECT count(), sum(m) - 7 * sum(n) FROM large"), "6500000\t0\n");
    let grown = engine::resident_memory_bytes().unwrap().0.saturating_sub(before);
    assert!(grown < 1 << 30, "the engine grew by {grown} bytes");

    let started = Instant::now();
    let back = post(address(), "SELECT n, m FROM large ORDER BY n FORMAT RowBinary");
    println!("and back in {:?}", started.elapsed());
    assert!(back.complete && back.body == rows);
}

#[test]
fn a_streamed_result_has_one_header_in_every_format() {
    let statement = "SELECT number AS n, toString(number) AS s FROM numbers(300000)";
    for format in [
        "RowBinaryWithNamesAndTypes",
        "RowBinaryWithNames",
        "CSVWithNames",
        "TSVWithNamesAndTypes",
        "JSONCompactEachRowWithNames",
        "TSV",
        "RowBinary",
    ] {
        let streamed = post(address(), &format!("{statement} FORMAT {format}"));
        assert_eq!(streamed.header("transfer-encoding"), "chunked", "{format} should stream");
        let digest = request(address(), "POST", "/?wait_end_of_query=1", &[], format!("{statement} FORMAT {format}").as_bytes());
        // One block holds everything, so this one is made by the engine alone.
        let whole = post(address(), &format!("{statement} SETTINGS max_block_size = 1000000 FORMAT {format}"));
        assert!(streamed.body == whole.body && digest.body == whole.body, "{format}");
        assert_eq!(digest.header("content-length"), whole.body.len().to_string());
    }
    let json = post(address(), &format!("{statement} LIMIT 70000 FORMAT JSON"));
    let parsed: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(parsed["rows"], 70000);
    let empty = post(address(), "SELECT number FROM numbers(0) FORMAT RowBinaryWithNamesAndTypes");
    assert_eq!(empty.body, b"\x01\x06number\x06UInt64");
    assert_eq!(run(address(), "SELECT 1 WHERE 0"), "");
}

#[test]
fn a_result_that_cannot_stream_is_bounded() {
    let answer = post(address(), "SELECT number, repeat('x', 50) FROM numbers(1000000) FORMAT JSON");
    assert_eq!(answer.header("x-clickhouse-exception-code"), "396", "{}", answer.text());
}

#[test]
fn an_error_in_the_middle_of_an_answer_is_framed_and_breaks_the_connection() {
    let statement = "SELECT number, throwIf(number = 500000) FROM numbers(1000000) FORMAT RowBinary";
    let answer = post(address(), statement);
    let tag = answer.header("x-clickhouse-exception-tag").to_owned();
    assert_eq!((answer.status, answer.complete), (200, false));
    let text = answer.text();
    assert!(text.ends_with(&format!(" {tag}\r\n__exception__\r\n")) && text.contains(&format!("{tag}\r\nCode: 395. ")));
    let waited = request(address(), "POST", "/?wait_end_of_query=1", &[], statement.as_bytes());
    assert_eq!((waited.status, waited.header("x-clickhouse-exception-code")), (500, "395"));
}

#[test]
fn bodies_may_be_compressed() {
    run(address(), "CREATE TABLE packed (n UInt64) ENGINE = MergeTree ORDER BY n");
    let rows: Vec<u8> = (0..100_000_u64).flat_map(u64::to_le_bytes).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&rows).unwrap();
    let insert = format!("/?query={}", encode("INSERT INTO packed FORMAT RowBinary"));
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd::bulk::compress(&rows, 1).unwrap())] {
        let answer = request(address(), "POST", &insert, &[("Content-Encoding", encoding)], &body);
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
    assert_eq!(run(address(), "SELECT count(), uniqExact(n) FROM packed"), "200000\t100000\n");
    let unknown = request(address(), "POST", &insert, &[("Content-Encoding", "br")], b"x");
    assert_eq!((unknown.status, unknown.header("x-clickhouse-exception-code")), (415, "779"));
    let cut = request(address(), "POST", &insert, &[("Content-Encoding", "gzip")], &[0x1f, 0x8b, 8, 0]);
    assert_eq!(cut.header("x-clickhouse-exception-code"), "271", "{}", cut.text());
    let packed = request(address(), "POST", "/?compress=1", &[], b"SELECT number FROM numbers(100000) FORMAT RowBinary");
    let insert_packed = format!("{insert}&decompress=1");
    assert_eq!(request(address(), "POST", &insert_packed, &[], &packed.body).status, 200);
    assert_eq!(run(address(), "SELECT count(), uniqExact(n) FROM packed"), "300000\t100000\n");
}

#[test]
fn pages_of_other_sites_are_refused() {
    let from_page = request(address(), "POST", "/", &[("Sec-Fetch-Site", "cross-site")], b"SELECT 1");
    assert_eq!((from_page.status, from_page.header("x-clickhouse-exception-code")), (403, "497"));
    assert_eq!(request(address(), "POST", "/", &[("Host", "evil.example")], b"SELECT 1").status, 403);
}

#[test]
fn a_form_carries_a_statement_and_its_parameters() {
    let form = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:UInt8} + 1\r\n\
        --b\r\nContent-Disposition: form-data; name=\"param_x\"\r\n\r\n41\r\n--b--\r\n";
    let answer = request(address(), "POST", "/", &[("Content-Type", "multipart/form-data; boundary=b")], form.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, "42\n"));
}

#[test]
fn native_blocks_follow_the_revision_a_client_asks_for() {
    let columns = "number AS n, toString(number) AS s, toLowCardinality(toString(number % 3)) AS l, [n, n] AS a, \
        map('k', toLowCardinality(s)) AS m, (n, s)::Tuple(x UInt64, `y z` String) AS t, if(n % 2 = 0, NULL, s) AS o, \
        toLowCardinality(toNullable(s)) AS lo, toDecimal128(n, 18) AS d, toDateTime64(n, 3, 'UTC') AS ts, toFixedString('ab', 2) AS f, \
        1::Enum8('a,(' = 1) AS e, [[toLowCardinality(s)], []] AS nested, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS u, NULL AS nothing";
    let statement = format!("SELECT {columns} FROM numbers(70000) FORMAT Native");
    let plain = post(address(), &statement);
    assert_eq!(plain.status, 200, "{}", plain.text());
    let newer = request(address(), "POST", "/?client_protocol_version=54460", &[], statement.as_bytes());
    assert!(newer.complete && newer.status == 200, "{}", newer.text());
    let blocks = (newer.body.len() - plain.body.len()) / (8 + 15);
    assert_eq!(newer.body.len() - plain.body.len(), blocks * (8 + 15));
    assert!(blocks >= 2 && newer.body.starts_with(&[1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 15]));
}
