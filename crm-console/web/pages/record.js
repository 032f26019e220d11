// One record: new, now, or at any moment of its life.
import { go, html, say, to, useEffect, useLatest, useLoad, useMemo, useRef, useSettled, useState } from "../lib/view.js";
import { call, get, newKey } from "../lib/api.js";
import { t, words } from "../lib/i18n.js";
import { bodyOf, defaultColumns, learn, money, points, titleOf, valueOf, when, world } from "../lib/records.js";
import { canEdit, Dialog, Failure, Fields, Form } from "../parts/form.js";
import { Field, FieldHistory, Score, Slider, StageBar, Timeline } from "../parts/record.js";
import { UserLinks } from "./account.js";

/** More changes than these are not ticked on the slider. */
const MOST_TICKS = 1000;

async function history(kind, id, signal) {
  const all = [];
  for (let cursor; all.length < MOST_TICKS;) {
    const { data, meta } = await get(`${kind.path}/${id}/history`, { limit: 200, names: true, cursor }, signal);
    learn(meta.names);
    all.push(...data.map(({ occurred_at, group }) => ({ occurred_at, group })));
    cursor = meta.next_cursor;
    if (!cursor) break;
  }
  return all;
}

export function Record({ kind, id, query }) {
  const [version, bump] = useState(0), [problem, fail] = useState(), [dialog, open] = useState(null);
  const [at, setAt] = useState(query.at || null), [past, setPast] = useState(null), [sliding, slide] = useState(false);
  const record = useLoad(async signal => (await get(`${kind.path}/${id}`, null, signal)).data, [kind.kind, id]);
  const changes = useLoad(signal => history(kind, id, signal), [kind.kind, id, version]);
  const seen = useRef(new Map());
  const look = useLatest(async (moment, isStale) => {
    if (!moment) return setPast(null);
    slide(true);
    try {
      const known = seen.current.get(moment) || (await get(`${kind.path}/${id}/as-of`, { at: moment })).data;
      seen.current.set(moment, known);
      if (isStale()?.argument !== null) setPast(known);
    } catch (error) { fail(error); } finally { slide(false); }
  });
  const settled = useSettled(at, 120);
  const travel = moment => { setAt(moment); look(moment); };
  useEffect(() => { if (at) look(at); }, []);
  const done = data => { record.replace(data); bump(count => count + 1); fail(null); };
  const changed = () => { record.reload(); bump(count => count + 1); fail(null); };
  if (record.error && !record.value) return html`<main id="main"><p class="crumb"><a href=${to([kind.plural])}>${words(kind.plural)}</a>
    </p><h1 tabindex="-1">${record.error.status === 404 ? t("Not found") : t("Error")}</h1>
    <${Failure} error=${record.error} /></main>`;
  if (!record.value || record.value.id !== id) return html`<main id="main" aria-busy="true"><div class="ghost"></div>
    </main>`;
  const now = record.value, then = at && past ? past : now;
  const sub = ["job_title", "company_name", "domain", "email"].map(name => kind.fields.has(name)
    && then[name]).filter(Boolean).slice(0, 2).join(" · ");
  const archive = async () => {
    await call(now.archived_at ? "POST" : "DELETE", `${kind.path}/${id}` + (now.archived_at ? "/restore" : ""),
      now.archived_at ? { body: {} } : {});
    open(null);
    say(now.archived_at ? t("Restored") : t("Archived"));
    if (now.archived_at) changed(); else go([kind.plural]);
  };
  return html`<main id="main" class=${"record" + (at ? " in-past" : "")}>
    <p class="crumb"><a href=${to([kind.plural])}>${words(kind.plural)}</a></p>
    <header class="top"><div class="who"><h1 tabindex="-1" dir="auto">${titleOf(kind, then)}</h1>${sub && html`<p
      class="soft" dir="auto">${sub}</p>`}</div>
      ${kind.fields.has("value") && then.value?.currency && html`<span class="badge"><b>${money(then.value)}</b>
        </span>`}
      ${kind.fields.has("score") && now.scored_at && !at && html`<span class=${"badge" + (now.is_hot ? " hot" : "")}
        title=${t("Score")}><b>${points(now.score)}</b> ${now.grade}</span>`}
      ${kind.kind === "user" && html`<${UserLinks} user=${now} />`}
      ${!at && kind.actions[now.archived_at ? "update" : "archive"] && kind.kind !== "user" && html`<button
        onClick=${() => open("archive")}>${now.archived_at ? t("Restore") : t("Archive")}</button>`}</header>
    ${now.archived_at && html`<p class="notice">${t("Archived on {day}.", { day: when(now.archived_at) })}</p>`}
    ${kind.pipelines && html`<${StageBar} ...${{ kind, then, done, fail }} record=${now} locked=${!!at
      || !kind.actions.update || !!now.archived_at} />`}
    <${Failure} error=${problem || record.error} kind=${kind} />
    <${Slider} from=${now.created_at} changes=${changes.value || []} at=${at} move=${travel} busy=${sliding} />
    <div class="columns">
      <${Facts} ...${{ kind, now, done }} past=${at ? past : null} travel=${travel} />
      <div class="side">
        ${kind.fields.has("score") && now.scored_at && html`<${Score} kind=${kind} record=${now} at=${settled}
          version=${version} />`}
        <${Timeline} kind=${kind} record=${now} at=${at} version=${version} changed=${changed} fail=${fail} />
      </div></div>
    ${dialog === "archive" && html`<${Dialog} title=${now.archived_at ? t("Restore") : t("Archive")}
      close=${() => open(null)}>
      <p>${now.archived_at ? t("The record appears in lists again.")
        : t("The record disappears from lists. It can be restored.")}</p>
      <${Form} label=${now.archived_at ? t("Restore") : t("Archive")} send=${archive} cancel=${() => open(null)}
        danger=${!now.archived_at} /></${Dialog}>`}
  </main>`;
}

const SECTIONS = [["main", "Fields"], ["properties", "Custom fields"], ["other", "Computed and system fields"]];
/** Shown last although users set them. */
const TECHNICAL = ["external_id", "shared_with", "pipeline_id", "team_id"];
const sectionOf = field => (field.section === "properties" ? "properties" : field.section === "person"
  && !TECHNICAL.includes(field.name) ? "main" : "other");

/** The fields in sections that fold. Empty ones are hidden at first if there are many. */
function Facts({ kind, now, past, done, travel }) {
  const [asked, ask] = useState(null), [typed, type] = useState(""), [empty, show] = useState(false);
  const all = useMemo(() => kind.list.filter(field => field.name !== "search_text" && field.type !== "properties"
    && valueOf(now, field.name) !== undefined && (field.section === "properties" || field.name in now)
    && !["first_name", "last_name"].some(part => part === field.name && kind.fields.has("name")
      && kind.kind === "lead")), [kind, now]);
  const isEmpty = value => value == null || value === "" || (Array.isArray(value) && !value.length);
  const fits = field => !typed || (field.label + " " + field.name).toLowerCase().includes(typed.toLowerCase());
  const shown = field => fits(field) && (empty || typed || !isEmpty(valueOf(now, field.name)) || (past
    && !isEmpty(valueOf(past, field.name))));
  const hidden = all.filter(field => fits(field) && !shown(field)).length;
  return html`<section class="card facts" aria-label=${t("Fields")}>
    <header class="head"><h2>${past ? t("As it was") : t("Fields")}</h2>
      <input type="search" class="small" aria-label=${t("Find a field")} placeholder=${t("Find a field")} value=${typed}
        onInput=${event => type(event.target.value)} /></header>
    ${SECTIONS.map(([key, title]) => {
      const fields = all.filter(field => sectionOf(field) === key && shown(field));
      if (!fields.length) return null;
      const list = html`<dl>${fields.map(field => html`<${Field} key=${field.name} ...${{ kind, field, past, done }}
        record=${now} showHistory=${ask} />`)}</dl>`;
      return key === "main" ? html`<div key=${key}>${list}</div>` : html`<details key=${key + !!typed}
        open=${key === "properties" || !!typed || !!past}><summary>${t(title)} <small class="soft">
        ${fields.length}</small></summary>${list}</details>`;
    })}
    ${(hidden > 0 || empty) && html`<button class="link" onClick=${() => show(!empty)}>${empty ? t("Hide empty fields")
      : t("Show {n} empty fields", { n: hidden })}</button>`}
    ${asked && html`<${FieldHistory} kind=${kind} field=${asked} record=${now} close=${() => ask(null)}
      move=${travel} />`}</section>`;
}

export function New({ kind }) {
  const [values, set] = useState({}), key = useMemo(newKey, []);
  const settable = kind.list.filter(canEdit), likely = new Set([...defaultColumns(kind), "email", "phone",
    "close_reason", "description", "emails"]);
  const [first, rest] = useMemo(() => {
    const isFirst = field => field.required || (likely.has(field.name) && field.name !== "close_reason");
    const title = field => (field.name === kind.title ? 0 : field.required ? 1 : 2);
    return [settable.filter(isFirst).sort((a, b) => title(a) - title(b)), settable.filter(field => !isFirst(field))];
  }, [kind]);
  const change = (name, value) => set(old => ({ ...old, [name]: value }));
  const send = async () => {
    const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null
      && !(Array.isArray(value) && !value.length)));
    if (kind.fields.has("owner_id") && !given.owner_id && world.get().me.user) given.owner_id = world.get().me.user.id;
    const { data } = await call("POST", kind.path, { body: bodyOf(given), key });
    say(t("Created"));
    go([kind.kind, data.id]);
  };
  const custom = rest.filter(field => field.section === "properties"),
    other = rest.filter(field => field.section !== "properties");
  const required = field => field.required;
  return html`<main id="main" class="narrow"><p class="crumb"><a href=${"#/" + kind.plural}>${words(kind.plural)}</a>
    </p><h1 tabindex="-1">${t("New {kind}", { kind: words(kind.kind) })}</h1>
    <div class="card"><${Form} label=${t("Create")} send=${send} kind=${kind}
      fields=${settable.map(field => field.name)} cancel=${() => history.back()}>${error => html`
      <${Fields} fields=${first} ...${{ values, change, error, required }} />
      ${custom.length > 0 && html`<details open=${custom.length < 8}><summary>${t("Custom fields")} <small class="soft">
        ${custom.length}</small></summary><${Fields} fields=${custom} ...${{ values, change, error, required }} />
        </details>`}
      ${other.length > 0 && html`<details
        open=${!!error?.errors?.some(one => other.some(field => field.name === one.field))}>
        <summary>${t("More fields")} <small class="soft">${other.length}</small></summary>
        <${Fields} fields=${other} ...${{ values, change, error, required }} /></details>`}`}
    </${Form}></div></main>`;
}
