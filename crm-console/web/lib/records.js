// What `GET /kinds` says and what follows from it for every page, the names of records, and values as
// text and elements. Nothing here depends on a certain kind being there.
import { html, shared, to } from "./view.js";
import { call, get } from "./api.js";
import { label, lang, t, words } from "./i18n.js";

/** Of the signed-in user: kinds by name and by plural, `me`, and a function for permissions. */
export const world = shared(null);

export async function discover() {
  const [kinds, me] = await Promise.all([get("kinds"), get("me")]);
  const all = kinds.data.filter(kind => !kind.path.includes("{")).map(kind => {
    const list = [...kind.fields, ...kind.properties].map(field => ({ ...field, label: label(field) }));
    const fields = new Map(list.map(field => [field.name, field]));
    return { ...kind, list, fields, title: TITLES.find(name => fields.has(name)),
      stages: kind.pipelines?.flatMap(one => one.stages) };
  });
  const by = (name, key) => all.find(kind => kind[name] === key);
  world.set({ all, me: me.data, kind: name => by("kind", name), plural: name => by("plural", name), may: (kind,
    action) => !!by("kind", kind)?.actions[action] });
  return world.get();
}

const TITLES = ["name", "title", "subject", "label", "event", "currency", "key", "type"];
export const titleOf = (kind, record) => record?.[kind.title] || record?.email || record?.name || "–";

/** Kinds with a place of their own in the menu; all others follow under “More”. */
export const MAIN = ["lead", "contact", "company", "deal", "task"];

const COLUMNS = {
  lead: ["name", "company_name", "stage_id", "score", "source", "owner_id", "created_at"],
  contact: ["name", "job_title", "company_id", "email", "phone", "owner_id"],
  company: ["name", "industry", "employee_count", "annual_revenue", "owner_id", "created_at"],
  deal: ["title", "value", "stage_id", "expected_close_date", "company_id", "owner_id"],
  task: ["title", "due_at", "priority", "status", "assignee_id"],
  user: ["name", "email", "job_title", "role_ids", "is_active", "last_login_at"],
  interaction: ["subject", "type", "happens_at", "user_id"],
};
/** The columns of a list until the user chooses others. */
export function defaultColumns(kind) {
  const known = (COLUMNS[kind.kind] || []).filter(name => kind.fields.has(name));
  if (known.length) return known;
  const rest = kind.list.filter(field => field.section === "person" && !["long_text", "object",
    "ref"].includes(field.type)
    && !["external_id", kind.title].includes(field.name)).slice(0, 4);
  return [kind.title, ...rest.map(field => field.name), "created_at"].filter(name => kind.fields.has(name));
}

export const valueOf = (record, name) => (name.startsWith("properties.") ? record.properties?.[name.slice(11)]
  : record[name]) ?? null;
/** The body that sets fields, of which some are custom properties. */
export function bodyOf(values) {
  const body = {};
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("properties.")) (body.properties ??= {})[name.slice(11)] = value; else body[name] = value;
  }
  return body;
}
/** `fields=` takes the names of fields; custom properties come together. */
export const asked = names => [...new Set(["id", "version", ...names.map(name => name.startsWith("properties.")
  ? "properties" : name)])].join(",");

/** What ids are called. Names are asked for when they are needed, many at once, and kept. */
export const names = shared(new Map());
const pending = new Map();
let timer;
export function learn(found) {
  const entries = Object.entries(found || {}).filter(([id, name]) => names.get().get(id) !== name);
  if (!entries.length) return;
  const next = new Map(names.get());
  for (const [id, name] of entries) next.set(id, name);
  names.set(next);
}
/** The name of a record of a kind; `undefined` until it is known, `null` if it is not visible. */
export function nameOf(kind, id) {
  const known = names.get().get(id);
  if (known !== undefined) return known;
  const stage = world.get()?.all.flatMap(one => one.stages || []).find(one => one.id === id);
  if (stage) return stage.name;
  const target = world.get()?.kind(kind);
  if (!target) return null;
  if (!pending.has(kind)) pending.set(kind, new Set());
  pending.get(kind).add(id);
  timer ??= setTimeout(resolve, 10);
  return undefined;
}
async function resolve() {
  timer = null;
  const asks = [...pending];
  pending.clear();
  for (const [name, ids] of asks) {
    const kind = world.get()?.kind(name), all = [...ids].slice(0, 200);
    if (!kind) continue;
    const { data } = await get(kind.path, { id: all.join(","), fields: asked([kind.title]),
      limit: 200 }).catch(() => ({ data: [] }));
    learn({ ...Object.fromEntries(all.map(id => [id, null])), ...Object.fromEntries(data.map(one => [one.id,
      titleOf(kind, one)])) });
  }
}

/** The first records that match a text, for references and for the palette. */
export async function find(kind, text, signal, limit = 8) {
  const { data } = await get(kind.path, { q: text, limit, fields: asked([kind.title]) }, signal);
  return data.map(record => ({ id: record.id, kind: kind.kind, name: titleOf(kind, record) }));
}

export const save = (kind, record, values) => call("PATCH", kind.path + "/" + record.id,
  { body: { version: record.version, ...bodyOf(values) } });

/** The user's own conventions where they are of the language of the page. */
function locale() {
  const me = world.get()?.me;
  return [me?.user?.locale, me?.organization?.locale,
    navigator.language].find(tag => tag?.toLowerCase().startsWith(lang())) || lang();
}
const made = new Map();
function intl(Type, options) {
  const key = Type.name + locale() + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Type(locale(), options));
  return made.get(key);
}
export const number = (value, options) => intl(Intl.NumberFormat, { maximumFractionDigits: 2,
  ...options }).format(value);
export const when = value => intl(Intl.DateTimeFormat, { dateStyle: "medium",
  timeStyle: "short" }).format(new Date(value));
export const onDay = value => (/^\d{4}-\d\d-\d\d$/.test(value)
  ? intl(Intl.DateTimeFormat, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(value + "T00:00:00Z"))
  : intl(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(value)));
const STEPS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute",
  60]];
export function ago(value) {
  const seconds = (new Date(value) - Date.now()) / 1000;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) || ["minute", 60];
  return intl(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}
export function money(value, short) {
  if (!value?.currency) return "–";
  const options = { style: "currency", currency: value.currency, minimumFractionDigits: 0 };
  return number(value.amount, short ? { ...options, notation: "compact", maximumFractionDigits: 1 } : options);
}

/** Scores are in thousandths of a point. */
const isScore = field => field.name === "score";
export const points = value => number(value / 1000, { maximumFractionDigits: 0 });
const flat = value => (value && typeof value === "object" ? Object.entries(value).filter(([key]) => !["primary",
  "id"].includes(key))
  .map(([, part]) => flat(part)).filter(Boolean).join(", ") : value == null || value === "" ? "" : String(value));

/** A value in one line, for titles and for searches within a page. */
export function text(field, value) {
  if (value == null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  if (Array.isArray(value)) return value.map(one => text({ ...field, list: false }, one)).join(", ");
  switch (field?.type) {
    case "time": return when(value);
    case "date": return onDay(value);
    case "money": return money(value);
    case "boolean": return value ? t("Yes") : t("No");
    case "integer": case "decimal": return isScore(field) ? points(value) : field.name.endsWith("_year") ? String(value)
      : number(value);
    case "choice": return choice(field, value);
    case "id": case "stage": return nameOf(field.of, value) || "…";
    case "ref": return nameOf(value.kind, value.id) || "…";
    default: return field?.choices ? choice(field, value) : typeof value === "object" ? flat(value) || "–"
      : WORDS.has(field?.name) ? words(value) : String(value);
  }
}
const choice = (field, value) => t(field.choices?.find(one => one.value === value)?.label || words(value));
/** Fields whose values are keys and are shown as words. */
const WORDS = new Set(["source", "status", "grade_reason"]);

export const Stage = ({ id, stage }) => {
  const found = stage || world.get().all.flatMap(kind => kind.stages || []).find(one => one.id === id);
  return html`<span class="stage ${found?.kind || ""}"><bdi>${found?.name || "–"}</bdi></span>`;
};
const link = (kind, id) => {
  const name = nameOf(kind, id);
  if (name === undefined) return html`<span class="soft">…</span>`;
  return name === null ? html`<span class="soft">${t("Not visible")}</span>` : html`<a href=${to([kind, id])}>
    <bdi>${name}</bdi></a>`;
};

/** A value as an element. Texts are always text: nothing a user typed becomes markup. */
export function Value({ field, value, plain }) {
  names.use();
  if (value == null || value === "" || (Array.isArray(value) && !value.length)) return html`<span class="none"
    aria-label=${t("empty")}>–</span>`;
  if (Array.isArray(value)) {
    const one = item => html`<${Value} field=${{ ...field, list: false }} value=${item} plain=${plain} />`;
    return field.type === "text" ? value.map(item => html`<span class="tag" dir="auto">${item}</span>`)
      : html`<span class="many">${value.map(item => html`<span>${one(item)}</span>`)}</span>`;
  }
  switch (field.type) {
    case "time": return html`<time datetime=${value} title=${when(value)}>${plain ? ago(value) : when(value)}</time>`;
    case "stage": return html`<${Stage} id=${value} />`;
    case "id": return link(field.of, value);
    case "ref": return link(value.kind, value.id);
    case "boolean": return html`<span class=${value ? "yes" : "none"}>${value ? t("Yes") : t("No")}</span>`;
    case "email": return html`<a href=${"mailto:" + value} dir="ltr">${value}</a>`;
    case "phone": return html`<a href=${"tel:" + value} dir="ltr">${value}</a>`;
    case "url": return /^https?:\/\//i.test(value) ? html`<a href=${value} target="_blank" rel="noopener noreferrer"
      dir="ltr">${value.replace(/^https?:\/\/(www\.)?|\/$/gi, "")}</a>` : html`<bdi>${value}</bdi>`;
    case "long_text": return html`<span class="long" dir="auto">${value}</span>`;
    case "integer": case "decimal": case "money": return html`<span class="number">${text(field, value)}</span>`;
    default: return html`<bdi>${text(field, value)}</bdi>`;
  }
}
