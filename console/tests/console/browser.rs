//! The page in a real browser. One test after the other in one browser: starting it takes longer than the tests.

use serde_json::Value;
use sinks::clickhouse::ClickHouse;

use crate::devtools::Browser;
use crate::engine_process::{EngineProcess, text};
use crate::filling::{fill, roll_up};
use crate::server::{Server, options};

const LIVE: &str = "document.body.dataset.state === 'live'";
const LOADED: &str = "document.body.dataset.state === 'live' && !document.querySelector('.placeholder') && document.querySelectorAll('#figures .amount').length === 3";

fn figure(name: &str) -> String {
    format!("document.querySelector('[data-figure=\"{name}\"]').dataset.exact")
}

const SPENT: [(&str, &str); 3] = [
    ("hour", "SELECT toString(sum(cost)) FROM hourly_total WHERE window_start = toStartOfHour(now('UTC'))"),
    ("day", "SELECT toString(sum(cost)) FROM daily_total WHERE window_start = toStartOfDay(now('UTC'))"),
    ("month", "SELECT toString(sum(cost)) FROM monthly_total WHERE window_start = toStartOfMonth(now('UTC'))"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_clickhouse_has_and_says_honestly_what_it_has_not() {
    away_from_the_end_of_the_hour().await;
    let engine = EngineProcess::start();
    let clickhouse = engine.database("page").await;
    fill(&clickhouse).await;
    let server = Server::start(options(engine.address, "page")).await;
    let url = format!("http://{}", server.address);
    let mut browser = Browser::start();
    browser.look(1280, 900, "light");

    figures_are_those_of_clickhouse(&mut browser, &clickhouse, &url).await;
    amounts_are_rounded_by_their_digits(&mut browser);
    it_is_quick(&mut browser, &url);
    it_works_by_keyboard(&mut browser);
    filters_and_the_back_button_work(&mut browser, &clickhouse, &url).await;
    an_alert_has_a_permalink(&mut browser, &clickhouse, &url).await;
    every_control_has_a_name_and_every_text_contrast(&mut browser, &url);
    pictures(&mut browser, &url);
    it_fits_a_phone(&mut browser, &url);
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the console is clean");

    new_events_appear_by_themselves(&mut browser, &clickhouse, &url).await;
    let server = it_outlives_a_restart_of_the_service(&mut browser, server, &engine).await;
    let engine = it_outlives_a_restart_of_clickhouse(&mut browser, engine).await;
    browser.call("Page.navigate", serde_json::json!({ "url": "about:blank" }));
    browser.until("location.href === 'about:blank'", 10);
    browser.complaints();
    drop(server);
    it_says_that_there_is_nothing_or_not_enough_yet(&mut browser, &engine).await;
    engine.stop();
}

/// Figures of "this hour" are compared some seconds apart.
async fn away_from_the_end_of_the_hour() {
    let left = 3600 - std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() % 3600;
    if left < 90 {
        tokio::time::sleep(std::time::Duration::from_secs(left + 2)).await;
    }
}

async fn figures_are_those_of_clickhouse(browser: &mut Browser, clickhouse: &ClickHouse, url: &str) {
    browser.open(url);
    browser.until(LOADED, 30);
    for (name, sql) in SPENT {
        assert_eq!(browser.text(&figure(name)), text(clickhouse, sql).await, "{name}");
        let rounded = text(clickhouse, &sql.replace("toString(sum(cost))", "toDecimalString(round(sum(cost), 2), 2)")).await;
        let shown = browser
            .text(&format!("document.querySelector('[data-figure=\"{name}\"]').textContent"))
            .replace(['$', ','], "")
            .replace('−', "-");
        assert_eq!(shown, rounded, "{name}");
    }
    let projection = "SELECT toString(`projection`) FROM page.month_forecast(scope = 'total', currency = 'USD')";
    assert_eq!(browser.text(&figure("projection")), text(clickhouse, projection).await);
    let budget = "SELECT toString(spent) FROM budgets WHERE budget = 'saas-hourly'";
    assert_eq!(browser.text(&figure("budget-saas-hourly")), text(clickhouse, budget).await);
    let budgets = browser.text("document.querySelector('#budgets').innerText");
    assert!(
        budgets.contains("Expected to end at $22.00 ($21.00 to $26.00).") && budgets.contains("Recommended: scale down, confidence 87 %"),
        "{budgets}"
    );
    let hours = browser.text("[...document.querySelectorAll('#hours td [data-exact]')].reverse().map((cell) => cell.dataset.start + '\\t' + cell.dataset.exact).join('\\n')");
    let expected = "SELECT formatDateTime(h, '%Y-%m-%dT%H:%i:%SZ'), toString(ifNull(cost, 0)) FROM (SELECT toStartOfHour(now('UTC')) - INTERVAL number HOUR AS h FROM numbers(24)) AS all
        LEFT JOIN (SELECT window_start, cost FROM hourly_total) AS t ON t.window_start = h ORDER BY h";
    assert_eq!(hours, text(clickhouse, expected).await, "the chart's table");
    let providers = browser.text("[...document.querySelectorAll('#breakdown tbody tr')].map((row) => row.querySelector('.name').innerText + ' ' + row.querySelector('[data-query]').title).join('\\n')");
    let expected = "SELECT provider, toString(sum(cost)) || ' USD' FROM hourly_by_provider WHERE window_start > now() - INTERVAL 24 HOUR GROUP BY provider ORDER BY sum(cost) DESC";
    assert_eq!(providers, text(clickhouse, expected).await.replace('\t', " "), "where it goes");
    let incidents =
        browser.text("[...document.querySelectorAll('#incidents li')].map((row) => row.innerText.replace(/\\s+/g, ' ')).join('\\n')");
    let of_feature = incidents.lines().find(|line| line.contains("feature it's")).unwrap_or_else(|| panic!("{incidents}"));
    assert!(
        of_feature.contains("resolved") && of_feature.contains("$20.67 too much") && of_feature.contains("3.1 times what was expected"),
        "{of_feature}"
    );
    assert!(of_feature.contains("Also seen in All spend, team core."), "{of_feature}");
    let rows = browser.eval("document.querySelectorAll('#alerts .alert').length");
    assert_eq!(rows, 8);
    assert_eq!(
        browser.eval("document.querySelector('#alerts b').parentElement.querySelectorAll('p b').length"),
        0,
        "markup in an explanation is text"
    );
    assert!(browser.text("document.querySelector('#pipeline').innerText").contains("29,000"));
}

fn amounts_are_rounded_by_their_digits(browser: &mut Browser) {
    for (function, amount, currency, shown) in [
        ("money", "1234567.885", "USD", "$1,234,567.89"),
        ("money", "90071992547409931234567.005", "EUR", "€90,071,992,547,409,931,234,567.01"),
        ("money", "999.995", "USD", "$1,000.00"),
        ("money", "-0.004999999999999999", "USD", "−$0.0050"),
        ("money", "0.000000000000000001", "USD", "$0.000000000000000001"),
        ("money", "0", "USD", "$0.00"),
        ("money", "1380.5", "KRW", "₩1,381"),
        ("money", "0.2", "JPY", "¥<1"),
        ("money", "12", "CHF", "CHF 12.00"),
        ("price", "0.0123456", "USD", "$0.012"),
        ("price", "2.5", "USD", "$2.50"),
    ] {
        let expression = format!("import('/assets/format.js').then((format) => format.{function}('{amount}', '{currency}'))");
        assert_eq!(browser.text(&expression), shown, "{function} {amount} {currency}");
    }
    assert_eq!(browser.text("import('/assets/format.js').then((format) => format.money(null, 'USD'))"), "no rate");
}

fn it_is_quick(browser: &mut Browser, url: &str) {
    let mut paints = Vec::new();
    for _ in 0..5 {
        browser.call("Network.clearBrowserCache", serde_json::json!({}));
        browser.open(&format!("{url}/?range=24h"));
        browser.until("performance.getEntriesByName('first-contentful-paint').length > 0", 10);
        paints.push(browser.eval("performance.getEntriesByName('first-contentful-paint')[0].startTime").as_f64().unwrap());
        browser.until(LOADED, 30);
    }
    let loaded = browser.eval(
        "performance.getEntriesByType('resource').reduce((sum, each) => each.name.includes('/assets/') ? sum + each.transferSize : sum, 0)",
    );
    paints.sort_by(f64::total_cmp);
    println!("first paint of five cold loads, ms: {paints:.0?}; files: {loaded} bytes");
}

fn it_works_by_keyboard(browser: &mut Browser) {
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.className"), "skip");
    browser.eval("document.querySelector('.chart').focus()");
    let last = browser.text("document.querySelector('.readout').textContent");
    browser.press("ArrowLeft");
    let before = browser.text("document.querySelector('.readout').textContent");
    assert_ne!(before, last);
    assert!(last.contains("running"), "{last}");
    browser.eval("document.querySelector('[data-figure=\"day\"]').focus()");
    browser.press("Enter");
    browser.until("document.querySelector('#sql-dialog').open", 5);
    let sql = browser.text("document.querySelector('#sql-dialog pre').textContent");
    assert!(sql.contains("SELECT") && sql.contains("SET param_day_start = '"), "{sql}");
    browser.press("Escape");
    browser.until("!document.querySelector('#sql-dialog').open", 5);
    assert_eq!(browser.text("document.activeElement.dataset.figure"), "day", "the focus is back");
    browser.eval("document.querySelector('#sets [aria-selected=\"true\"]').focus()");
    browser.press("ArrowRight");
    browser.until("location.search.includes('by=model') && document.querySelector('#breakdown tbody')?.innerText.includes('small=1')", 10);
    assert_eq!(browser.text("document.activeElement.textContent"), "Model");
    assert!(browser.text("document.querySelector('#breakdown tbody').innerText").contains("<b>bold</b>"), "markup in a value is text");
}

async fn filters_and_the_back_button_work(browser: &mut Browser, clickhouse: &ClickHouse, url: &str) {
    browser.open(&format!("{url}/?by=team"));
    browser.until(LOADED, 30);
    let all = browser.text(&figure("month"));
    browser.until("document.querySelector('#breakdown .name button') !== null", 10);
    browser.eval("[...document.querySelectorAll('#breakdown .name button')].find((button) => button.textContent === 'core').click()");
    let month = |condition: &str| {
        format!("SELECT toString(sum(cost)) FROM usage_events WHERE occurred_at >= toStartOfMonth(now('UTC')) AND {condition}")
    };
    let core = text(clickhouse, &month("team = 'core'")).await;
    browser.until(&format!("{} === '{core}'", figure("month")), 10);
    assert_eq!(browser.text("location.search"), "?by=team&team=core");
    // A second dimension that no rollup has together with the first: counted from the events.
    browser.eval("document.querySelector('#tab-provider').click()");
    browser.until("[...document.querySelectorAll('#breakdown .name button')].some((button) => button.textContent === 'openai')", 10);
    browser.eval("[...document.querySelectorAll('#breakdown .name button')].find((button) => button.textContent === 'openai').click()");
    let both = text(clickhouse, &month("team = 'core' AND provider = 'openai'")).await;
    browser.until(&format!("{} === '{both}'", figure("month")), 10);
    assert!(browser.text("document.querySelector('#filters').innerText").contains("Counted from single events"));
    browser.eval("history.back()");
    browser.until(&format!("{} === '{core}'", figure("month")), 10);
    browser.eval("history.go(-2)");
    browser.until(&format!("{} === '{all}' && document.querySelector('#filters').hidden", figure("month")), 10);
    // Another currency: no decimals of won.
    browser.eval("const select = document.querySelector('#currency'); select.value = 'KRW'; select.dispatchEvent(new Event('change'))");
    browser.until("/^₩[0-9,]+$/.test(document.querySelector('[data-figure=\"month\"]').textContent)", 10);
    browser.until("/^₩[0-9,]+$/.test(document.querySelector('#breakdown td [data-query]').textContent)", 10);
}

async fn an_alert_has_a_permalink(browser: &mut Browser, clickhouse: &ClickHouse, url: &str) {
    let id = text(clickhouse, "SELECT id FROM alerts WHERE period = 'p5' AND state = 'escalated'").await;
    browser.open(&format!("{url}/alerts/{id}"));
    browser.until("document.querySelectorAll('#alert-dialog .life li').length === 3", 20);
    let shown = browser.text("document.querySelector('#alert-dialog').innerText");
    assert!(shown.contains("feature <b>it's</b> has spent much, number 5"), "{shown}");
    browser.eval("document.querySelector('#alert-dialog header button').click()");
    browser.until("location.pathname === '/' && !document.querySelector('#alert-dialog').open", 5);
    browser.open(&format!("{url}/alerts/00ff"));
    browser.until("document.querySelector('#alert-dialog').innerText.includes('CR-5005')", 20);
    browser.complaints();
}

fn every_control_has_a_name_and_every_text_contrast(browser: &mut Browser, url: &str) {
    browser.open(url);
    browser.until(LOADED, 30);
    let tree = browser.call("Accessibility.getFullAXTree", serde_json::json!({}));
    let mut controls = 0;
    for node in tree["nodes"].as_array().unwrap() {
        let role = node["role"]["value"].as_str().unwrap_or("");
        if node["ignored"] != true
            && matches!(
                role,
                "button"
                    | "link"
                    | "combobox"
                    | "radio"
                    | "checkbox"
                    | "searchbox"
                    | "tab"
                    | "tabpanel"
                    | "image"
                    | "img"
                    | "dialog"
                    | "region"
                    | "navigation"
                    | "form"
            )
        {
            controls += 1;
            assert!(!node["name"]["value"].as_str().unwrap_or("").trim().is_empty(), "no name: {node}");
        }
    }
    assert!(controls > 40, "{controls} controls are too few to be the page");
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        let pairs = browser.eval(CONTRASTS);
        let pairs = pairs.as_array().unwrap();
        assert!(pairs.len() >= 18, "{pairs:?}");
        for pair in pairs {
            assert!(pair[2].as_f64().unwrap() >= 4.5, "{scheme}: {pair}");
        }
    }
}

/// Every colour of text on every surface, and their contrast ratio by the formula of WCAG 2.
const CONTRASTS: &str = "(() => {
    const root = getComputedStyle(document.documentElement), sheet = [...document.styleSheets[0].cssRules].find((rule) => rule.selectorText === ':root').style;
    const names = (start) => [...sheet].filter((name) => name.startsWith(start));
    const light = (name) => {
        const [r, g, b] = [1, 3, 5].map((at) => parseInt(root.getPropertyValue(name).trim().slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return names('--text-').flatMap((text) => names('--surface-').map((surface) => {
        const [a, b] = [light(text), light(surface)].sort((x, y) => y - x);
        return [text, surface, (a + 0.05) / (b + 0.05)];
    }));
})()";

fn pictures(browser: &mut Browser, url: &str) {
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        browser.open(&format!("{url}/?range=7d"));
        browser.until(LOADED, 30);
        let height = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
        browser.picture(&format!("{scheme}.png"), 1280, height as u32);
    }
}

fn it_fits_a_phone(browser: &mut Browser, url: &str) {
    browser.look(360, 740, "dark");
    for path in ["/", "/?by=model&range=30d&currency=KRW", "/?by=user&team=core&provider=openai"] {
        browser.open(&format!("{url}{path}"));
        browser.until(LOADED, 30);
        browser.until("!document.querySelector('#breakdown .placeholder')", 20);
        browser.eval("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        let widest = "[...document.querySelectorAll('body *')].filter((node) => node.getBoundingClientRect().right > 361 && !node.closest('.hidden, .scroll')).slice(0, 5).map((node) => node.outerHTML.slice(0, 160))";
        let (width, beyond) = (browser.eval("document.documentElement.scrollWidth"), browser.eval(widest));
        assert_eq!((width, beyond), (Value::from(360), Value::Array(Vec::new())), "{path}");
    }
    browser.open(&format!("{url}/?range=24h"));
    browser.until(LOADED, 30);
    browser.picture("phone.png", 360, 1480);
    browser.look(1280, 900, "light");
}

async fn new_events_appear_by_themselves(browser: &mut Browser, clickhouse: &ClickHouse, url: &str) {
    browser.open(url);
    browser.until(LOADED, 30);
    let insert = "INSERT INTO usage_event_rows (topic, `partition`, `offset`, occurred_at, kind, provider, model, cost, cost_status, status)
        SELECT 'usage-events', 1, number, now64(6, 'UTC'), 'llm', 'openai', 'new', toDecimal128('0.123456789', 18), 'priced', 'ok' FROM numbers(10)";
    clickhouse.execute(insert).await.unwrap();
    roll_up(clickhouse, 2).await;
    let day = text(clickhouse, SPENT[1].1).await;
    browser.until(&format!("{} === '{day}'", figure("day")), 15);
    assert_eq!(browser.text("document.body.dataset.state"), "live");
}

async fn it_outlives_a_restart_of_the_service(browser: &mut Browser, server: Server, engine: &EngineProcess) -> Server {
    let address = server.address.to_string();
    let before = browser.text(&figure("day"));
    drop(server);
    browser.until(
        "document.body.dataset.state === 'unreachable' && /Figures are \\d+ s old/.test(document.querySelector('#live').innerText)",
        30,
    );
    assert_eq!(browser.text(&figure("day")), before, "the figures stay");
    let server = Server::start_at(options(engine.address, "page"), &address).await;
    browser.until(LIVE, 30);
    server
}

async fn it_outlives_a_restart_of_clickhouse(browser: &mut Browser, engine: EngineProcess) -> EngineProcess {
    let before = browser.text(&figure("day"));
    let (directory, address) = engine.stop();
    browser.until(
        "document.body.dataset.state === 'stale' && document.querySelector('#live').innerText.includes('ClickHouse does not answer')",
        40,
    );
    assert_eq!(browser.text(&figure("day")), before, "the figures stay");
    browser.until("document.querySelector('#pipeline').innerText.includes('CR-5101')", 20);
    let engine = EngineProcess::start_at(directory, &address);
    browser.until(LIVE, 60);
    engine
}

async fn it_says_that_there_is_nothing_or_not_enough_yet(browser: &mut Browser, engine: &EngineProcess) {
    let clickhouse = engine.database("empty").await;
    let server = Server::start(options(engine.address, "empty")).await;
    browser.open(&format!("http://{}", server.address));
    browser.until("document.querySelector('#live').innerText.includes('no data') && !document.querySelector('.placeholder')", 30);
    let shown = browser.text("document.querySelector('main').innerText");
    assert_eq!(shown.matches("No data").count(), 6, "{shown}");
    assert!(shown.contains("$0.00"), "{shown}");
    clickhouse
        .execute("INSERT INTO rhythm_rows (scope, hour, state, actual, revision) SELECT 'total', toStartOfHour(now()) - INTERVAL number HOUR, 'LEARNING', 1, 1 FROM numbers(1, 5)")
        .await
        .unwrap();
    clickhouse
        .execute("INSERT INTO rollups (granularity, `set`, window_start, cost, events, last_event_at) SELECT 'hour', 'total', toStartOfHour(now()) - INTERVAL number HOUR, 1, 1, now64(6, 'UTC') FROM numbers(6)")
        .await
        .unwrap();
    browser.until("document.querySelector('#rhythm').innerText.includes('LEARNING') && document.querySelector('#hours').innerText.includes('Learning')", 30);
    clickhouse
        .execute("INSERT INTO rollups (granularity, `set`, window_start, cost, events, last_event_at) SELECT 'quarter_hour', 'total', toStartOfFifteenMinutes(now() - 7500), 1, 1, now64(6, 'UTC') - 7500")
        .await
        .unwrap();
    browser
        .until("document.body.dataset.state === 'quiet' && document.querySelector('#live').innerText.includes('newest event 2 h ago')", 15);
    let shown = browser.text("document.querySelector('#hours').innerText + document.querySelector('#rhythm').innerText");
    assert!(shown.contains("No range of expectation yet") && shown.contains("Learning takes about two weeks"), "{shown}");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the console is clean");
}
