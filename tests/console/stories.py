"""The stories of the console, in Chromium, against a running server with the demo organization.

Each story starts with its own browser context. Every page is checked for errors of the console, violations of the
content security policy and requests to other hosts; the pages of `PAGES` are checked by axe-core in the light, in the
dark and on a phone, and kept as pictures.
"""

import argparse
import json
import os
import re
import sys
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from playwright.sync_api import expect, sync_playwright

PASSWORD = "seven lanterns by the quay"
AXE = os.path.join(os.path.dirname(__file__), "axe.min.js")
CHROMIUM = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--disable-default-apps", "--disable-domain-reliability"]
EXPECTED = re.compile(r"status of (401|404|409|422|502)|ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_CONNECTION_REFUSED")
MARKUP = '<img src=x onerror="document.title=1">'
ARABIC = "محمد بن سلمان <b>قوي</b>"

STORIES = []


def story(run):
    STORIES.append(run)
    return run


class Api:
    """The API, for what a story needs besides the page."""

    def __init__(self, base, user="robin"):
        self.base, self.token = base, None
        body = {"organization": "demo", "email": f"{user}@coldharrow.example", "password": PASSWORD}
        self.token = self.call("POST", "auth/login", body)["data"]["access_token"]

    def call(self, method, path, body=None, key=None):
        headers = {"Content-Type": "application/json", "X-CRM-Request": "test"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None
        return json.loads(text) if text else {}

    def lead(self, **fields):
        return self.call("POST", "leads", {"name": "Ada Lovelace", "email": "ada@engine.example", **fields})["data"]

    def deal(self, title):
        return self.call("POST", "deals", {"title": title, "value": {"amount": "12000", "currency": "EUR"}})["data"]


class Visit:
    """A browser context with one page, and what went wrong in it."""

    def __init__(self, run, path="/console/", **options):
        self.run, self.faults, self.foreign = run, [], []
        options.setdefault("viewport", {"width": 1360, "height": 900})
        options.setdefault("locale", "en-US")
        self.context = run.browser.new_context(**options)
        self.context.set_default_timeout(10_000)
        self.start = run.base + path
        self.page = self.open()

    def open(self):
        page = self.context.new_page()
        page.on("console", lambda message: self.faults.append(message.text)
                if message.type in ("error", "warning") and not EXPECTED.search(message.text) else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.foreign.append(request.url)
                if not request.url.startswith((self.run.base, "data:", "blob:")) else None)
        return page

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            name = re.sub(r"\W+", "-", self.run.story)
            self.page.screenshot(path=os.path.join(self.run.pictures, f"failed-{name}.png"))
        self.context.close()
        assert kind or not (self.faults or self.foreign), (self.faults, self.foreign)
        if self.faults:
            print("errors of the page:", self.faults[:3])

    def go(self, hash):
        self.page.goto(self.start + hash)

    def sign_in(self, user="robin", hash="", password=PASSWORD):
        page = self.page
        page.goto(self.start + hash)
        page.fill("[name=organization]", "demo")
        page.fill("[name=email]", f"{user}@coldharrow.example")
        page.fill("[name=password]", password)
        page.click("form button.main")
        return page

    def signed_in(self, user="robin", hash="#/leads"):
        page = self.sign_in(user, hash)
        page.wait_for_selector("aside")
        return page


class Run:
    def __init__(self, base, browser, pictures):
        self.base, self.browser, self.pictures = base, browser, pictures
        self.api, self.story = Api(base), ""

    def visit(self, **options):
        return Visit(self, **options)


def fact(page, label):
    return page.locator(".fact").filter(has=page.locator("dt", has_text=re.compile(f"^{re.escape(label)}$")))


def edit(page, label, value, save=True):
    row = fact(page, label)
    row.hover()
    row.get_by_role("button", name=f"Edit {label}").click()
    row = page.locator(".fact.editing")
    row.locator("input,textarea").first.fill(value)
    if save:
        row.get_by_role("button", name="Save").click()


@story
def signing_in_says_what_is_wrong_and_a_reload_keeps_the_session(run):
    with run.visit() as visit:
        page = visit.sign_in(password="wrong wrong wrong")
        expect(page.get_by_role("alert")).to_contain_text("is wrong")
        page.fill("[name=password]", PASSWORD)
        page.click("form button.main")
        expect(page.locator("tbody tr").first).to_be_visible()
        page.reload()
        expect(page.locator("tbody tr").first).to_be_visible()
        assert not page.evaluate("Object.values(localStorage).some(value => /eyJ|crm_refresh/.test(value))"), "a token is stored"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@story
def a_list_is_searched_filtered_sorted_and_shown_as_of_a_day(run):
    with run.visit() as visit:
        page = visit.signed_in()
        rows = page.locator("tbody tr[class='']").or_(page.locator("tbody tr:not([class])"))
        expect(rows).to_have_count(50)
        expect(page.locator("h1 small")).to_have_text(re.compile(r"^\d{3}$"))
        page.get_by_role("button", name="Show more").click()
        expect(rows.nth(99)).to_be_visible()
        page.get_by_role("button", name="Score").click()
        expect(page.get_by_role("columnheader", name="Score")).to_have_attribute("aria-sort", "descending")
        page.fill("#search", "Marchbanks")
        expect(rows).to_have_count(1)
        page.fill("#search", "")
        page.get_by_role("button", name="Filter", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Field").select_option(label="Source")
        dialog.get_by_label("Value").fill("trade_fair")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".chip")).to_contain_text("Source is")
        expect(page.locator("td.c-text").get_by_text("Webinar")).to_have_count(0)
        page.get_by_role("button", name="Columns").click()
        page.get_by_role("dialog").get_by_label("Phone", exact=True).check()
        page.get_by_role("dialog").get_by_role("button", name="Done").click()
        expect(page.get_by_role("columnheader", name="Phone", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_role("columnheader", name="Phone", exact=True)).to_be_visible()
        day = (datetime.now(timezone.utc) - timedelta(days=60)).strftime("%Y-%m-%d")
        page.fill("input[type=date]", day)
        expect(page.get_by_role("status").filter(has_text="As it was")).to_be_visible()
        expect(page.locator("tbody th").first).to_be_visible()
        expect(page.locator("main .failure")).to_have_count(0)


@story
def a_long_list_keeps_only_the_rows_near_the_window(run):
    with run.visit() as visit:
        page = visit.signed_in(hash="#/interactions")
        expect(page.locator("tbody th").first).to_be_visible()
        for _ in range(60):
            page.mouse.wheel(0, 2500)
            page.wait_for_timeout(60)
            if int(page.locator("table").get_attribute("aria-rowcount")) > 500:
                break
        assert int(page.locator("table").get_attribute("aria-rowcount")) > 500
        page.wait_for_timeout(300)
        script = """() => [...document.querySelectorAll("tbody tr:not(.gap)")].map(row => row.getBoundingClientRect())
            .reduce(([all, seen], box) => [all + 1, seen + (box.bottom > 0 && box.top < innerHeight)], [0, 0])"""
        rows, seen = page.evaluate(script)
        assert rows < 300 and seen > 10, (rows, seen)


@story
def a_field_is_edited_in_place_its_history_is_shown_and_the_change_undone(run):
    lead = run.api.lead(company_name="Analytical Engines", source="web")
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        edit(page, "Company name", "Difference Engines")
        expect(fact(page, "Company name")).to_contain_text("Difference Engines")
        row = fact(page, "Company name")
        row.hover()
        row.get_by_role("button", name="History of Company name").click()
        expect(page.get_by_role("dialog")).to_contain_text("Analytical Engines")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.locator(".line .update").first.get_by_role("button", name=re.compile("Undo")).click()
        expect(fact(page, "Company name")).to_contain_text("Analytical Engines")
        edit(page, "Email", "no address")
        expect(page.locator(".fact.editing [role=alert]")).to_be_visible()
        page.keyboard.press("Escape")
        expect(fact(page, "Email")).to_contain_text("ada@engine.example")


@story
def a_conflict_shows_both_values(run):
    lead = run.api.lead(job_title="Countess")
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        edit(page, "Job title", "Programmer", save=False)
        run.api.call("PATCH", f"leads/{lead['id']}", {"job_title": "Mathematician"})
        page.locator(".fact.editing").get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Mathematician")
        expect(dialog).to_contain_text("Programmer")
        dialog.get_by_role("button", name="Keep mine").click()
        expect(fact(page, "Job title")).to_contain_text("Programmer")
        assert run.api.call("GET", f"leads/{lead['id']}")["data"]["job_title"] == "Programmer"


@story
def the_slider_goes_through_time(run):
    lead = run.api.lead(job_title="First")
    for title in ("Second", "Third"):
        time.sleep(0.05)
        run.api.call("PATCH", f"leads/{lead['id']}", {"job_title": title})
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        expect(page.locator(".ticks i")).to_have_count(3)
        page.get_by_role("button", name="Previous change").click()
        page.get_by_role("button", name="Previous change").click()
        row = fact(page, "Job title")
        expect(row).to_have_class(re.compile("differs"))
        expect(row.locator("del")).to_contain_text("Third")
        expect(row).to_contain_text("Second")
        expect(page.get_by_role("button", name="Edit Job title")).to_have_count(0)
        page.get_by_role("slider", name="Moment").focus()
        page.keyboard.press("Home")
        expect(row).to_contain_text("First")
        page.get_by_role("button", name="Back to now").click()
        expect(page.locator(".differs")).to_have_count(0)
        expect(row).to_contain_text("Third")


@story
def a_stage_asks_for_exactly_the_fields_it_requires(run):
    deal = run.api.deal("Gate story")
    with run.visit() as visit:
        page = visit.signed_in(hash="#/board/deal")
        card = page.locator(".ticket", has_text="Gate story")
        card.get_by_role("combobox").select_option(label="Closed lost")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".field")).to_have_count(1)
        dialog.get_by_label("Close reason").fill("Price")
        dialog.get_by_role("button", name="Move").click()
        expect(page.locator(".column.lost .ticket", has_text="Gate story")).to_be_visible()
        assert run.api.call("GET", f"deals/{deal['id']}")["data"]["close_reason"] == "Price"
        run.api.deal("Dragged story")
        page.reload()
        page.locator(".ticket", has_text="Dragged story").drag_to(
            page.locator(".column").nth(1), source_position={"x": 20, "y": 20}, target_position={"x": 60, "y": 20})
        expect(page.locator(".column").nth(1).locator(".ticket", has_text="Dragged story")).to_be_visible()
        # A cancelled gate puts the card back.
        page.locator(".ticket", has_text="Dragged story").get_by_role("combobox").select_option(label="Closed lost")
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.locator(".column").nth(1).locator(".ticket", has_text="Dragged story")).to_be_visible()


@story
def a_lead_is_converted_into_a_deal(run):
    lead = run.api.lead(company_name="Conversion Works")
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        page.locator(".stages").get_by_role("button", name="Converted").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Title")).to_have_value("Conversion Works")
        dialog.get_by_label("Value", exact=True).fill("2,500")
        dialog.get_by_role("button", name="Convert").click()
        expect(page.get_by_role("heading", name="Conversion Works")).to_be_visible()
        expect(page.locator(".badge")).to_contain_text("2,500")
        assert run.api.call("GET", f"leads/{lead['id']}")["data"]["status"] == "converted"


@story
def the_keyboard_is_enough_from_sign_in_to_a_won_deal(run):
    run.api.deal("Keyboard story")
    with run.visit() as visit:
        page = visit.page
        page.goto(visit.start)
        expect(page.get_by_label("Organization")).to_be_visible()
        for label, text in (("Organization", "demo"), ("Email", "robin@coldharrow.example"), ("Password", PASSWORD)):
            reach(page, lambda: page.evaluate("document.activeElement.labels?.[0]?.textContent") == label)
            page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr").first).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Shortcuts")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("Keyboard story")
        expect(page.get_by_role("option", name="Keyboard story")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Keyboard story")).to_be_visible()
        reach(page, lambda: page.evaluate("document.activeElement.textContent") == "Closed won")
        page.keyboard.press("Enter")
        expect(page.locator(".stages .current.won")).to_be_visible()
        found = run.api.call("GET", "deals?q=Keyboard+story")["data"][0]
        assert found["stage_kind"] == "won", found


def reach(page, is_there, limit=80):
    for _ in range(limit):
        if is_there():
            return
        page.keyboard.press("Tab")
    raise AssertionError("not reachable by Tab")


@story
def a_session_that_ends_in_mid_edit_loses_nothing(run):
    lead = run.api.lead(job_title="Before")
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        edit(page, "Job title", "Typed by hand", save=False)
        visit.context.clear_cookies()
        refused = []

        def refuse(route):
            if route.request.method == "PATCH" and not refused:
                refused.append(route)
                problem = {"status": 401, "code": "token_expired", "detail": "expired"}
                route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(problem))
            else:
                route.continue_()

        page.route("**/api/v1/leads/**", refuse)
        page.locator(".fact.editing").get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog", name="Sign in again")
        expect(dialog).to_be_visible()
        check(page, run, "expired")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Sign in").click()
        expect(fact(page, "Job title")).to_contain_text("Typed by hand")
        assert run.api.call("GET", f"leads/{lead['id']}")["data"]["job_title"] == "Typed by hand"


@story
def an_api_that_is_down_is_said_and_retried(run):
    lead = run.api.lead(job_title="Before")
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/lead/{lead['id']}")
        edit(page, "Job title", "Kept", save=False)
        visit.context.set_offline(True)
        page.locator(".fact.editing").get_by_role("button", name="Save").click()
        expect(page.locator(".down")).to_be_visible()
        check(page, run, "down")
        assert page.locator(".fact.editing input").input_value() == "Kept"
        visit.context.set_offline(False)
        page.locator(".down").get_by_role("button", name="Try again").click()
        expect(page.locator(".down")).to_have_count(0)
        assert page.locator(".fact.editing input").input_value() == "Kept"
        page.locator(".fact.editing").get_by_role("button", name="Save").click()
        expect(fact(page, "Job title")).to_contain_text("Kept")


@story
def two_tabs_share_a_session(run):
    with run.visit() as visit:
        first = visit.signed_in()
        expect(first.locator("tbody tr").first).to_be_visible()
        others = [visit.open() for _ in range(2)]
        # Started at once: each refresh token can be used once.
        for page in others:
            page.goto(visit.start + "#/deals", wait_until="commit")
        for page in others:
            expect(page.locator("tbody tr").first).to_be_visible()
        first.reload()
        expect(first.locator("tbody tr").first).to_be_visible()
        first.get_by_role("button", name="Sign out").click()
        for page in others:
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@story
def a_hidden_field_is_not_there(run):
    role = next(one for one in run.api.call("GET", "roles?limit=100")["data"] if one["key"] == "sales_rep")
    lead = run.api.lead(source="trade_fair", annual_revenue={"amount": "777000", "currency": "USD"})
    dana = run.api.call("GET", "users?q=Whitlock")["data"][0]
    run.api.call("PATCH", f"leads/{lead['id']}", {"owner_id": dana["id"]})
    rules = [{"kind": "lead", "field": "annual_revenue", "access": "hidden"},
             {"kind": "lead", "field": "source", "access": "read_only"}]
    run.api.call("PATCH", f"roles/{role['id']}", {"field_rules": rules})
    try:
        with run.visit() as visit:
            page = visit.signed_in("dana", f"#/lead/{lead['id']}")
            expect(fact(page, "Source")).to_be_visible()
            page.get_by_role("button", name=re.compile("Show .* empty fields")).click()
            expect(fact(page, "Annual revenue")).to_have_count(0)
            expect(page.get_by_role("button", name="Edit Source", exact=True)).to_have_count(0)
            expect(page.get_by_role("button", name="Edit Name")).to_have_count(1)
            assert "777" not in page.locator("main").inner_text()
            page.goto(visit.start + "#/leads")
            page.get_by_role("button", name="Columns").click()
            expect(page.get_by_role("dialog").get_by_label("Annual revenue")).to_have_count(0)
            page.keyboard.press("Escape")
            expect(page.locator("aside").get_by_text("Api keys")).to_have_count(0)
    finally:
        run.api.call("PATCH", f"roles/{role['id']}", {"field_rules": role["field_rules"]})


@story
def names_are_text_in_any_script(run):
    marked = run.api.lead(name=MARKUP, company_name="<script>alert(1)</script>", website="https://ok.example/")
    run.api.lead(name=ARABIC, company_name="שלום עולם")
    with run.visit() as visit:
        page = visit.signed_in()
        page.on("dialog", lambda dialog: visit.faults.append("a script ran"))
        expect(page.locator("tbody a", has_text=MARKUP)).to_be_visible()
        arabic = page.locator("tbody a", has_text=ARABIC)
        expect(arabic).to_be_visible()
        assert arabic.evaluate("element => getComputedStyle(element).direction") == "rtl"
        page.goto(visit.start + f"#/lead/{marked['id']}")
        expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()
        expect(fact(page, "Company name")).to_contain_text("<script>")
        page.keyboard.press("Control+k")
        page.keyboard.type(ARABIC.split()[0])
        expect(page.get_by_role("option", name=ARABIC)).to_be_visible()
        assert page.locator("img, main script").count() == 0
        check(page, run, "names")


@story
def five_hundred_properties_fold_and_are_found(run):
    mark = f"{int(time.time()):x}"
    for at in range(500):
        kind = ("text", "integer", "date", "boolean")[at % 4]
        run.api.call("POST", "properties/contact", {"key": f"p{mark}_{at}", "name": f"Measure {at}", "type": kind})
    contact = run.api.call("POST", "contacts", {"first_name": "Many", "last_name": "Fields",
                                                 "properties": {f"p{mark}_{at}": at for at in range(1, 500, 4)}})["data"]
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/contact/{contact['id']}")
        expect(page.locator(".facts details", has_text="Custom fields")).to_be_visible()
        page.get_by_role("button", name=re.compile("Show .* empty fields")).click()
        expect(fact(page, "Measure 0")).to_have_count(1)
        page.locator(".facts").get_by_role("searchbox").fill("Measure 497")
        expect(page.locator(".facts .fact")).to_have_count(1)
        edit(page, "Measure 497", "42")
        expect(fact(page, "Measure 497")).to_contain_text("42")
        page.goto(visit.start + "#/new/contact")
        expect(page.locator("main details", has_text="Custom fields")).not_to_have_attribute("open", "")


@story
def a_record_is_created_and_its_faults_shown_at_its_fields(run):
    with run.visit() as visit:
        page = visit.signed_in(hash="#/new/lead")
        page.get_by_label("Name", exact=False).first.fill("Grace Hopper")
        page.locator("#f-email").fill("not an address")
        page.get_by_role("button", name="Create").click()
        expect(page.locator("#f-email-e")).to_be_visible()
        page.locator("#f-email").fill("grace@navy.example")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("heading", name="Grace Hopper")).to_be_visible()
        page.get_by_role("button", name="Add a note").click()
        page.get_by_role("dialog").get_by_label("Title").fill("Found a moth")
        page.get_by_role("dialog").get_by_label("Note").fill("In relay 70.")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.locator(".line .note")).to_contain_text("Found a moth")
        page.get_by_role("button", name="Archive").click()
        page.get_by_role("dialog").get_by_role("button", name="Archive").click()
        expect(page.get_by_role("heading", name="Leads")).to_be_visible()


@story
def a_second_factor_is_set_up_and_asked_for(run):
    import base64
    import hashlib
    import hmac
    import struct

    def code(secret, step):
        key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1_000_000:06d}"

    with run.visit() as visit:
        page = visit.signed_in("jonah", "#/me")
        page.get_by_role("button", name="Set up a second factor").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Current password").fill(PASSWORD)
        dialog.get_by_role("button", name="Next").click()
        secret = dialog.get_by_label("Key").input_value()
        dialog.get_by_label("Code", exact=True).fill(code(secret, int(time.time()) // 30))
        dialog.get_by_role("button", name="Confirm").click()
        recovery = dialog.locator("pre").inner_text().split()
        dialog.get_by_role("button", name="Done").click()
        page.get_by_role("button", name="Sign out").first.click()
        visit.sign_in("jonah")
        page.get_by_label("Code of your authenticator app").fill(recovery[0])
        page.click("form button.main")
        expect(page.locator("aside")).to_be_visible()
        page.goto(visit.start + "#/me")
        page.get_by_role("button", name="Remove the second factor").click()
        dialog.get_by_label("Current password").fill(PASSWORD)
        dialog.get_by_label("Code", exact=True).fill(recovery[1])
        dialog.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("dialog")).to_have_count(0)


@story
def german_is_spoken(run):
    with run.visit(locale="de-DE") as visit:
        page = visit.page
        page.goto(visit.start)
        expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
        page.get_by_label("Organisation").fill("demo")
        page.get_by_label("E-Mail").fill("robin@coldharrow.example")
        page.get_by_label("Passwort", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Anmelden").click()
        expect(page.locator("aside").get_by_role("link", name="Firmen", exact=True)).to_be_visible()
        expect(page.get_by_role("columnheader", name="Quelle")).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == "de"
        page.goto(visit.start + "#/deals")
        expect(page.locator("td.c-money").first).to_contain_text(re.compile(r"[\d.]+\s(€|\$)"))
        check(page, run, "german")
        page.goto(visit.start + "#/me")
        page.get_by_label("English").check()
        expect(page.locator("aside").get_by_role("link", name="Companies", exact=True)).to_be_visible()


@story
def links_of_emails_and_the_first_setup_have_pages(run):
    with run.visit() as visit:
        page = visit.page
        for hash, heading in (("#/setup/none", "Set up your CRM"), ("#/invitation/none", "Welcome"),
                              ("#/password/none", "New password"), ("#reset=none&organization=demo", "New password"),
                              ("#/forgotten", "Forgotten password")):
            page.goto("about:blank")
            page.goto(visit.start + hash)
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
            check(page, run, re.sub(r"\W+", "-", heading.lower()), schemes=("light",))
        page.goto("about:blank")
        page.goto(visit.start + "#/password/none")
        page.get_by_label("New password", exact=True).fill("eleven herons by the lake")
        page.get_by_label("New password again").fill("eleven herons by the quay")
        page.get_by_role("button", name="Set the password").click()
        expect(page.get_by_role("alert")).to_contain_text("differ")
        page.get_by_label("New password again").fill("eleven herons by the lake")
        page.get_by_role("button", name="Set the password").click()
        expect(page.get_by_role("alert")).to_contain_text("not valid")


@story
def a_change_of_a_contact_is_undone_on_the_page_of_its_company(run):
    company = run.api.call("POST", "companies", {"name": "Undo Works"})["data"]
    person = {"first_name": "Mary", "last_name": "Somerville", "company_id": company["id"], "job_title": "Writer"}
    contact = run.api.call("POST", "contacts", person)["data"]
    run.api.call("PATCH", f"contacts/{contact['id']}", {"job_title": "Astronomer"})
    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/company/{company['id']}")
        change = page.locator(".line .update", has_text="Astronomer")
        expect(change.get_by_role("link", name="Mary Somerville")).to_be_visible()
        change.get_by_role("button", name=re.compile("Undo")).click()
        expect(page.locator(".said")).to_contain_text("Undone")
        assert run.api.call("GET", f"contacts/{contact['id']}")["data"]["job_title"] == "Writer"


@story
def the_first_setup_sends_its_token_once(run):
    sent = []

    def register(route):
        sent.append(route.request.post_data_json)
        problem = {"status": 401, "code": "invalid_token", "detail": "the setup token is not valid"}
        route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(problem))

    with run.visit() as visit:
        page = visit.page
        page.route("**/api/v1/auth/register", register)
        page.goto(visit.start + "#/setup/one-time")
        page.get_by_label("Organization").fill("Difference Engines & Sons")
        assert page.locator("[name=slug]").input_value() == "difference-engines-sons"
        for name, text in (("first_name", "Ada"), ("last_name", "King"), ("email", "ada@engine.example"),
                           ("password", PASSWORD), ("again", PASSWORD)):
            page.fill(f"[name={name}]", text)
        page.get_by_role("button", name="Create the organization").click()
        expect(page.get_by_role("alert")).to_contain_text("not valid")
        [body] = sent
        assert body["setup_token"] == "one-time" and body["cookie"] is True and body["password"] == PASSWORD
        assert body["organization"]["slug"] == "difference-engines-sons" and body["user"]["last_name"] == "King"


@story
def an_administrator_passes_on_a_link_if_the_server_makes_them(run):
    user = run.api.call("GET", "users?q=Wilkowiak")["data"][0]

    def answer(status, body):
        return lambda route: route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    with run.visit() as visit:
        page = visit.signed_in(hash=f"#/user/{user['id']}")
        routes = re.compile(r"/users/[^/]+/(invitation|reset)_link")
        page.route(routes, answer(200, {"data": {"token": "a/b", "expires_at": "2030-01-01T00:00:00Z"}}))
        page.get_by_role("button", name=re.compile("link")).click()
        dialog = page.get_by_role("dialog")
        assert re.search(r"/console/#/(invitation|password)/a%2Fb$", dialog.get_by_label("Link").input_value())
        dialog.get_by_role("button", name="Close").click()
        page.unroute(routes)
        page.route(routes, answer(404, {"status": 404, "code": "unknown_route", "detail": "unknown route"}))
        page.get_by_role("button", name=re.compile("link")).click()
        expect(page.get_by_role("button", name=re.compile("link"))).to_have_count(0)


PAGES = [("leads", "#/leads", "tbody th"), ("deals", "#/deals", "tbody th"), ("users", "#/users", "tbody th"),
         ("lead", None, ".line .change"), ("past", None, ".slider.past"), ("board", "#/board/deal", ".ticket"),
         ("new", "#/new/lead", ".field"), ("profile", "#/me", ".rows li"), ("filter", "#/leads", "tbody th"),
         ("palette", "#/leads", "tbody th"), ("columns", "#/leads", "tbody th"), ("editing", None, ".fact"),
         ("history", None, ".fact"), ("user", "#/user", ".fact")]


def settle(page):
    expect(page.locator("[aria-busy=true], .skeleton")).to_have_count(0)
    page.wait_for_timeout(350)


def check(page, run, name, schemes=("light", "dark")):
    """axe-core, no horizontal scrolling, and a picture."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(250)
        if not page.evaluate("'axe' in window"):
            page.evaluate(open(AXE, encoding="utf-8").read())
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        shown = [(one["id"], one["help"], [node["target"] for node in one["nodes"]][:4],
                  [node["failureSummary"] for node in one["nodes"]][:1]) for one in found]
        width = page.viewport_size["width"]
        page.screenshot(path=os.path.join(run.pictures, f"{name}-{scheme}-{width}.png"))
        assert not shown, f"axe on {name}, {scheme}, {width}: {shown}"
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{name} scrolls sideways by {over} at {width}"
    page.emulate_media(color_scheme="light")


@story
def every_page_is_accessible_in_the_light_in_the_dark_and_on_a_phone(run):
    lead = run.api.call("GET", "leads?q=Marchbanks")["data"][0]["id"]
    user = run.api.call("GET", "users?limit=1")["data"][0]["id"]
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    for options in ({}, phone):
        with run.visit(**options) as visit:
            page = visit.page
            page.goto(visit.start)
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            check(page, run, "sign-in")
            visit.signed_in()
            for name, hash, wait in PAGES:
                page.goto("about:blank")
                page.goto(visit.start + {None: f"#/lead/{lead}", "#/user": f"#/user/{user}"}.get(hash, hash))
                expect(page.locator(wait if name != "past" else ".ticks i").first).to_be_visible()
                settle(page)
                if name == "past":
                    for _ in range(3):
                        page.get_by_role("button", name="Previous change").click()
                    expect(page.locator(".differs").first).to_be_visible()
                elif name == "filter":
                    page.get_by_role("button", name="Filter", exact=True).click()
                elif name == "columns":
                    page.get_by_role("button", name="Columns").click()
                elif name == "palette":
                    page.locator(".jump").click()
                elif name == "editing":
                    edit(page, "Job title", "Something else", save=False)
                elif name == "history":
                    row = fact(page, "Stage")
                    row.hover()
                    row.get_by_role("button", name="History of Stage").click()
                settle(page)
                check(page, run, name)


def nested_under_a_path_and_signed_in_by_the_host(run):
    run.base, base = run.nested.split("/crm/")[0], run.base
    with run.visit(path="/crm/console/") as visit:
        page = visit.page
        page.goto(visit.start)
        expect(page.locator("tbody a", has_text="Ada Lovelace")).to_be_visible()
        page.locator("tbody a", has_text="Ada Lovelace").click()
        edit(page, "Name", "Ada King")
        expect(page.get_by_role("heading", name="Ada King")).to_be_visible()
        check(page, run, "nested", schemes=("light",))
    run.base = base


def figures(run, leads):
    """First paint, first rows and a step of the slider, with many leads."""
    if leads:
        have = run.api.call("GET", "leads?limit=1&with_total=true")["meta"]["total"]
        for start in range(have, leads, 20):
            body = {"requests": [{"method": "POST", "path": "/api/v1/leads", "body": {"name": f"Lead {at}", "source": "web"}}
                                 for at in range(start, min(start + 20, leads))]}
            run.api.call("POST", "batch", body)
    total = run.api.call("GET", "leads?limit=1&with_total=true")["meta"]["total"]
    then = lambda days: (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lead = run.api.call("POST", f"leads?occurred_at={then(200)}", {"name": "Much edited", "job_title": "First"})["data"]
    for at in range(199):
        run.api.call("PATCH", f"leads/{lead['id']}?occurred_at={then(199 - at)}", {"job_title": f"Title {at}"})
    paints, rows, steps = [], [], []
    with run.visit() as visit:
        page = visit.signed_in()
        for _ in range(11):
            page.goto("about:blank")
            page.goto(visit.start + "#/leads")
            page.wait_for_selector("tbody th a")
            rows.append(page.evaluate("performance.now()"))
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        page.goto(visit.start + f"#/lead/{lead['id']}")
        expect(page.locator(".ticks i").first).to_be_visible()
        settle(page)
        script = """value => new Promise(done => {
            const range = document.querySelector("input[type=range]"), row = [...document.querySelectorAll(".fact")].find(one => one.textContent.includes("Job title"));
            const before = row.textContent, begun = performance.now();
            const watch = new MutationObserver(() => { if (row.textContent !== before) { watch.disconnect(); done(performance.now() - begun); } });
            watch.observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
            range.value = value; range.dispatchEvent(new Event("input", { bubbles: true }));
            setTimeout(() => { watch.disconnect(); done(null); }, 400);
        })"""
        for at in range(100):
            step = page.evaluate(script, 1 + (at * 379) % 999)
            if step is not None:
                steps.append(step)
    middle = lambda values: sorted(values)[len(values) // 2]
    late = lambda values: sorted(values)[int(len(values) * 0.95)] if values else None
    print(f"leads {total}; first paint {middle(paints):.0f} ms; rows {middle(rows):.0f} ms; "
          f"slider step p50 {middle(steps):.0f} ms, p95 {late(steps):.0f} ms ({len(steps)} steps)")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--pictures", required=True)
    options.add_argument("--nested")
    options.add_argument("--only", default="")
    options.add_argument("--figures", action="store_true")
    options.add_argument("--leads", type=int, default=0)
    asked = options.parse_args()
    os.makedirs(asked.pictures, exist_ok=True)
    failed = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=CHROMIUM)
        run = Run(asked.url, browser, asked.pictures)
        if asked.figures:
            figures(run, asked.leads)
            return
        if asked.nested:
            run.nested = asked.nested
            STORIES.append(nested_under_a_path_and_signed_in_by_the_host)
        stories = [(one.__name__, one) for one in STORIES if asked.only in one.__name__]
        for name, tell in stories:
            run.story, begun = name, time.time()
            try:
                tell(run)
                print(f"ok {time.time() - begun:5.1f} s  {name}", flush=True)
            except Exception:
                failed.append(name)
                trace = traceback.format_exc().split("Aria snapshot")[0].splitlines()
                mine = [line for at, line in enumerate(trace) if "stories.py" in line or "stories.py" in trace[at - 1]]
                print(f"FAILED        {name}", *mine, *trace[-12:], sep="\n", flush=True)
        browser.close()
    print(f"console: {len(stories) - len(failed)} of {len(stories)} stories passed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
