// A list of records of any kind, with its conditions and columns.
import { go, html, replace, store, stored, to, useEffect, useLoad, useMemo, useRef, useState } from "../lib/view.js";
import { get } from "../lib/api.js";
import { t, words } from "../lib/i18n.js";
import { asked, defaultColumns, names, number, onDay, text, titleOf, Value, valueOf } from "../lib/records.js";
import { canCreate, Dialog, Failure, Input } from "../parts/form.js";
import { Invite } from "./account.js";

const PAGE = 50;
/** Above this many rows only those near the window are in the document. */
const WINDOWED = 300;
const ROW = 45;

export function List({ kind, query }) {
  const [columns, setColumns] = useState(() => columnsOf(kind));
  const [dialog, open] = useState(null), [fault, fail] = useState();
  const [more, grow] = useState([]), [growing, wait] = useState(false);
  const [typed, type] = useState(query.q || "");
  const set = change => go([kind.plural], { ...query, ...change });
  useEffect(() => {
    const timer = setTimeout(() => typed !== (query.q || "") && replace([kind.plural], { ...query, q: typed }), 200);
    return () => clearTimeout(timer);
  }, [typed]);
  const past = query.as_of, conditions = conditionsOf(query.f);
  const restrict = all => set({ f: all.length ? JSON.stringify(all) : "" });
  const ask = {
    q: query.q, filter: filterOf([...conditions, ...stageOf(kind, query)]), archived: query.archived, limit: PAGE,
    sort: past ? "-created_at" : query.sort || (kind.sorts.includes("created_at") ? "-created_at" : null),
    as_of: past && new Date(past + "T23:59:59").toISOString(), fields: asked([kind.title, ...columns]),
  };
  const key = JSON.stringify([kind.kind, ask]);
  const first = useLoad(async signal => {
    const page = await get(kind.path, ask, signal);
    grow([]);
    fail(null);
    return { ...page, key };
  }, [key]);
  // Counting must not delay the rows.
  const total = useLoad(async signal => {
    if (past || first.loading) return null;
    return (await get(kind.path, { ...ask, limit: 1, fields: "id", with_total: true }, signal)).meta.total;
  }, [key, first.loading]);
  const pages = [first.value, ...more].filter(Boolean), next = pages.at(-1)?.meta.next_cursor;
  const rows = useMemo(() => pages.flatMap(page => page.data), [first.value, more]);
  const load = async () => {
    if (growing || !next || first.value?.key !== key) return;
    wait(true);
    try {
      const page = await get(kind.path, { ...ask, cursor: next });
      grow(old => [...old, page]);
    } catch (error) { fail(error); }
    wait(false);
  };
  const save = names => { setColumns(names); store("columns." + kind.kind, names); };
  useEffect(() => {
    const on = ({ detail }) => (detail === "/" ? document.getElementById("search")?.focus() : open("filter"));
    addEventListener("crm-key", on);
    return () => removeEventListener("crm-key", on);
  }, []);
  const owner = ["owner_id", "assignee_id", "user_id"].find(name => kind.fields.has(name));
  const mine = conditions.some(one => one.field === owner && one.value === "me");
  const own = mine ? conditions.filter(one => one.field !== owner) : [...conditions, { field: owner, op: "eq",
    value: "me" }];
  const stages = kind.stages?.filter(one => !one.retired) || [], plural = words(kind.plural);
  const create = kind.kind === "user" ? html`<button class="main" onClick=${() => open("invite")}>
    ${t("Invite")}</button>`
    : html`<a class="button main" href=${to(["new", kind.kind])}>${t("New")}</a>`;
  return html`<main id="main" class="wide">
    <header class="top"><h1 tabindex="-1">${plural} ${total.value != null && html`<small>
      ${number(total.value)}</small>`}</h1>
      ${canCreate(kind) && !past && create}</header>
    <div class="tools" role="search">
      <input id="search" type="search" placeholder=${t("Search")} aria-label=${t("Search {kind}", { kind: plural })}
        value=${typed} dir="auto" onInput=${event => type(event.target.value)} />
      ${owner && html`<button aria-pressed=${mine} onClick=${() => restrict(own)}>${t("Mine")}</button>`}
      <button onClick=${() => open("filter")}>${t("Filter")}</button>
      <button onClick=${() => open("columns")}>${t("Columns")}</button>
      <label class="as-of"><span>${t("As of")}</span><input type="date" value=${past || ""}
        max=${new Date().toISOString().slice(0, 10)} onChange=${event => set({ as_of: event.target.value,
          sort: "" })} /></label>
    </div>
    ${(stages.length > 0 || conditions.length > 0) && html`<div class="chips">
      ${stages.length > 0 && html`<div role="group" aria-label=${t("Stage")} class="segments">
        ${[{ key: "", name: t("All") }, ...stages].map(({ key, name }) => html`<button
          aria-pressed=${(query.stage || "") === key} onClick=${() => set({ stage: key })}><bdi>${name}</bdi>
            </button>`)}</div>`}
      <${Chips} kind=${kind} conditions=${conditions} set=${restrict} /></div>`}
    ${past && html`<p class="notice" role="status">${t("As it was on {day}.", { day: onDay(past) })}
      ${" "}<button class="link" onClick=${() => set({ as_of: "" })}>${t("Back to now")}</button></p>`}
    <${Failure} error=${first.error || fault} kind=${kind} />
    <${Table} ...${{ kind, columns, rows, sort: ask.sort, past, set, load, growing, next }} loading=${first.loading} />
    ${!first.loading && !rows.length && !first.error && html`<div class="blank">
      <p>${query.q || ask.filter ? t("Nothing matches.") : t("Nothing here yet.")}</p></div>`}
    ${next && html`<p class="row center"><button onClick=${load} disabled=${growing}>${t("Show more")}</button></p>`}
    ${dialog === "filter" && html`<${AddFilter} kind=${kind} close=${() => open(null)}
      add=${one => { open(null); restrict([...conditions, one]); }} />`}
    ${dialog === "columns" && html`<${Columns} kind=${kind} chosen=${columns} set=${save}
      reset=${() => save(defaultColumns(kind))} close=${() => open(null)} />`}
    ${dialog === "invite" && html`<${Invite} close=${() => open(null)} />`}
  </main>`;
}

/** The columns that the user chose, as far as they still exist. */
function columnsOf(kind) {
  const saved = (stored("columns." + kind.kind) || []).filter(name => kind.fields.has(name));
  return saved.length ? saved : defaultColumns(kind);
}
function stageOf(kind, { stage }) {
  const found = stage && kind.stages?.find(one => one.key === stage);
  return found ? [{ field: "stage_id", op: "eq", value: found.id }] : [];
}

function Table({ kind, columns, rows, sort, past, set, load, loading, growing, next }) {
  const names = [kind.title, ...columns.filter(name => name !== kind.title)];
  const fields = names.map(name => kind.fields.get(name)).filter(Boolean);
  const box = useRef(), [view, look] = useState([0, WINDOWED]);
  useEffect(() => {
    const watch = () => requestAnimationFrame(() => {
      const top = box.current?.getBoundingClientRect().top ?? 0, from = Math.max(0, Math.floor(-top / ROW) - 40);
      look(old => (Math.abs(old[0] - from) > 20 ? [from, from + 120 + Math.ceil(innerHeight / ROW)] : old));
      if (next && -top + innerHeight > rows.length * ROW - innerHeight) load();
    });
    addEventListener("scroll", watch, { passive: true });
    return () => removeEventListener("scroll", watch);
  }, [rows.length, next, growing]);
  if (!rows.length && !loading) return null;
  const windowed = rows.length > WINDOWED, from = windowed ? Math.min(view[0], rows.length - 1) : 0;
  const until = windowed ? Math.min(rows.length, view[1]) : rows.length;
  const address = row => [[kind.kind, row.id], { at: past && past + "T23:59:59Z" }];
  const visit = (event, row) => !event.target.closest("a,button") && !getSelection().toString() && go(...address(row));
  const gap = count => count > 0 && html`<tr aria-hidden="true" class="gap">
    <td colspan=${fields.length} style=${{ height: count * ROW + "px" }}></td></tr>`;
  const cell = (row, field) => (field.name === kind.title
    ? html`<th key=${field.name} scope="row"><a href=${to(...address(row))} dir="auto">${titleOf(kind, row)}</a></th>`
    : html`<td key=${field.name} class=${"c-" + field.type}>
      <${Value} field=${field} value=${valueOf(row, field.name)} plain /></td>`);
  return html`<div class="table" ref=${box} tabindex="0" role="region" aria-label=${words(kind.plural)}
      aria-busy=${loading}><table aria-rowcount=${rows.length}>
    <thead><tr>${fields.map(field => html`<${Heading} key=${field.name} ...${{ field, sort, set }}
      sortable=${!past && kind.sorts.includes(field.name)} />`)}</tr></thead>
    <tbody>${gap(from)}
      ${rows.slice(from, until).map(row => html`<tr key=${row.id} onClick=${event => visit(event, row)}>
        ${fields.map(field => cell(row, field))}</tr>`)}
      ${gap(rows.length - until)}
      ${loading && !rows.length && Array.from({ length: 8 }, (_, at) => html`<tr key=${"s" + at} class="skeleton"
        aria-hidden="true">${fields.map(() => html`<td><i></i></td>`)}</tr>`)}</tbody></table></div>`;
}

function Heading({ field, sort, set, sortable }) {
  const rises = sort === field.name, falls = sort === "-" + field.name;
  const order = sortable ? (rises ? "ascending" : falls ? "descending" : null) : null;
  const turn = () => set({ sort: falls ? field.name : "-" + field.name });
  return html`<th scope="col" class=${"c-" + field.type} aria-sort=${order}>${!sortable ? field.label
    : html`<button class="plain" onClick=${turn}>${field.label}
      <i aria-hidden="true">${rises ? " ↑" : falls ? " ↓" : ""}</i></button>`}</th>`;
}

const OPS = { eq: "is", ne: "is not", contains: "contains", starts_with: "starts with", ge: "at least", le: "at most",
  missing: "is empty" };
function opsOf(field) {
  if (["integer", "decimal", "money"].includes(field.type)) return ["ge", "le", "eq", "missing"];
  if (["time", "date"].includes(field.type)) return ["ge", "le", "missing"];
  if (field.list) return ["contains", "missing"];
  if (field.choices || ["boolean", "id", "stage"].includes(field.type)) return ["eq", "ne", "missing"];
  return ["eq", "starts_with", "contains", "ne", "missing"];
}
const filterable = field => !["object", "ref", "folded", "properties", "long_text"].includes(field.type);

/** The `filter` parameter of conditions, or nothing. */
function filterOf(conditions) {
  if (conditions.length) return JSON.stringify(conditions.length > 1 ? { and: conditions } : conditions[0]);
}
function conditionsOf(given) {
  try {
    const read = JSON.parse(given || "[]");
    return Array.isArray(read) ? read : [];
  } catch { return []; }
}

function Chips({ kind, conditions, set }) {
  names.use();
  return conditions.map((one, at) => {
    const field = kind.fields.get(one.field) || { label: one.field, name: one.field };
    const value = one.op === "missing" ? "" : one.value === "me" ? t("me") : text(field, one.value);
    const shown = `${field.label} ${t(OPS[one.op] || one.op)} ${value}`.trim();
    return html`<span class="chip" key=${shown}><bdi>${shown}</bdi>
      <button class="icon" aria-label=${t("Remove the filter {filter}", { filter: shown })}
        onClick=${() => set(conditions.filter((_, index) => index !== at))}>✕</button></span>`;
  });
}

function AddFilter({ kind, add, close }) {
  const fields = kind.list.filter(filterable), own = fields.filter(one => one.section === "person");
  const custom = fields.filter(one => one.section === "properties");
  const rest = fields.filter(one => !own.includes(one) && !custom.includes(one));
  const [name, pick] = useState((own[0] || fields[0]).name), [op, choose] = useState(null);
  const [value, set] = useState(null), [empty, complain] = useState(false);
  const field = kind.fields.get(name), ops = opsOf(field), used = ops.includes(op) ? op : ops[0];
  const submit = event => {
    event.preventDefault();
    const given = Array.isArray(value) ? value[0] : value;
    if (used === "missing") add({ field: name, op: used });
    else if (given == null) complain(true);
    else add({ field: name, op: used, value: given });
  };
  // Stages are choices of the pipeline.
  const choices = field.type === "stage" ? kind.stages.map(one => ({ value: one.id, label: one.name })) : field.choices;
  const group = (label, all) => all.length > 0 && html`<optgroup label=${label}>
    ${all.map(one => html`<option value=${one.name}>${one.label}</option>`)}</optgroup>`;
  return html`<${Dialog} title=${t("Add a filter")} close=${close}><form class="stack" onSubmit=${submit}>
    <label>${t("Field")}<select data-focus value=${name} onChange=${event => { pick(event.target.value); set(null); }}>
      ${group(t("Fields"), own)}${group(t("Custom fields"), custom)}${group(t("Other"), rest)}</select></label>
    <label>${t("Condition")}<select value=${used} onChange=${event => choose(event.target.value)}>
      ${ops.map(one => html`<option value=${one}>${t(OPS[one])}</option>`)}</select></label>
    ${used !== "missing" && html`<div class="field"><label for="filter-value">${t("Value")}</label>
      <${Input} key=${name} field=${{ ...field, choices, list: false }} value=${value} change=${set} id="filter-value"
        invalid=${empty} />
      ${empty && html`<p class="fault" role="alert">${t("A value is required.")}</p>`}</div>`}
    <div class="row end"><button type="button" onClick=${close}>${t("Cancel")}</button>
      <button class="main">${t("Add")}</button></div></form></${Dialog}>`;
}

/** Which columns a list shows. */
function Columns({ kind, chosen, set, reset, close }) {
  const [typed, type] = useState("");
  const fits = field => (field.label + field.name).toLowerCase().includes(typed.toLowerCase());
  const all = kind.list.filter(field => !["folded", "properties"].includes(field.type) && fits(field)).slice(0, 200);
  const turn = name => set(chosen.includes(name) ? chosen.filter(one => one !== name) : [...chosen, name]);
  return html`<${Dialog} title=${t("Columns")} close=${close}>
    <input type="search" data-focus aria-label=${t("Find a field")} placeholder=${t("Find a field")} value=${typed}
      onInput=${event => type(event.target.value)} />
    <ul class="checks">${all.map(({ name, label, section }) => html`<li key=${name}><label>
      <input type="checkbox" checked=${chosen.includes(name)} disabled=${chosen.length === 1 && chosen[0] === name}
        onChange=${() => turn(name)} /> ${label}
      ${section === "properties" && html` <small class="soft">${t("Custom")}</small>`}</label></li>`)}</ul>
    <div class="row end"><button onClick=${reset}>${t("Defaults")}</button>
      <button class="main" onClick=${close}>${t("Done")}</button></div></${Dialog}>`;
}
