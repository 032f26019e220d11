// Dialogs, messages, forms, and an input for a value of any type that `GET /kinds` names.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/view.js";
import { lang, t, words } from "../lib/i18n.js";
import { find, nameOf, names, world } from "../lib/records.js";

/** A modal dialog. The browser keeps the focus inside and returns it afterwards; Escape calls `close`. */
export function Dialog({ title, close, children, fixed }) {
  const box = useRef(), id = useRef("d" + Math.random().toString(36).slice(2));
  useLayoutEffect(() => {
    const dialog = box.current, before = document.activeElement;
    dialog.showModal();
    dialog.querySelector("[data-focus]")?.focus();
    return () => { dialog.close(); before?.isConnected && before.focus?.(); };
  }, []);
  const cancel = event => { event.preventDefault(); if (!fixed) close(); };
  return html`<dialog ref=${box} aria-labelledby=${id.current} onCancel=${cancel}
      onMouseDown=${event => event.target === box.current && !fixed && close()}>
    <div class="inside">
      <header><h2 id=${id.current}>${title}</h2>${!fixed && html`<button class="icon" type="button"
        aria-label=${t("Close")} onClick=${close}>✕</button>`}</header>
      ${children}
    </div></dialog>`;
}

/** An error of the API: its message, and the message of each field. `fields` are those shown with their own message. */
export function Failure({ error, kind, fields = [] }) {
  if (!error) return null;
  const rest = (error.errors || []).filter(one => !fields.includes(one.field));
  const main = t(MESSAGES[error.code] || "") || (rest.length || !error.errors?.length ? ""
    : t("Please correct the marked fields."));
  const named = name => kind?.fields.get(name)?.label || words(name.replace(/^properties\./, ""));
  return html`<div class="failure" role="alert">
    ${main && html`<p>${main}</p>`}
    ${!main && !rest.length && html`<p>${error.message}</p>`}
    ${rest.length > 0 && html`<ul>${rest.map(one => html`<li><b>${named(one.field)}</b> ${one.message}</li>`)}</ul>`}
  </div>`;
}
const MESSAGES = {
  invalid_credentials: "The organization, the email address, the password or the code is wrong.",
  locked: "Too many attempts. Wait a few minutes and try again.",
  too_many_requests: "Too many requests. Wait a moment and try again.",
  unreachable: "The server cannot be reached. Nothing was saved; try again.",
  invalid_token: "The link is not valid. It may have been used already.",
  token_expired: "The link has expired.",
  forbidden: "You do not have the permission for this.",
  not_found: "The record does not exist, or you may not see it.",
  signed_out: "You have been signed out.",
};

/** A form that cannot be sent twice and shows why it was refused. `send` receives the form's values. */
export function Form({ send, children, label, kind, fields, cancel, danger }) {
  const [state, set] = useState({});
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const submit = async event => {
    event.preventDefault();
    if (state.busy) return;
    set({ busy: true });
    try {
      await send(Object.fromEntries(new FormData(event.target)), event.target);
      alive.current && set({});
    } catch (error) {
      if (!alive.current) return;
      set({ error });
      requestAnimationFrame(() => event.target.querySelector("[aria-invalid=true]")?.focus());
    }
  };
  const content = typeof children === "function" ? children(state.error) : children;
  return html`<form onSubmit=${submit} class="stack" noValidate=${!!kind}>
    <${Failure} error=${state.error} kind=${kind} fields=${fields} />
    ${content}
    <div class="row end">
      ${cancel && html`<button type="button" onClick=${cancel}>${t("Cancel")}</button>`}
      <button class=${danger ? "danger" : "main"} aria-disabled=${!!state.busy}>${label}</button>
    </div></form>`;
}

/** A text with a button that copies it. */
export function Copyable({ text, label }) {
  const [done, set] = useState(false), field = useRef();
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); } catch { field.current.select(); document.execCommand("copy"); }
    set(true);
  };
  return html`<label>${label}<span class="copy"><input ref=${field} readonly value=${text} dir="ltr"
    onFocus=${event => event.target.select()} />
    <button type="button" onClick=${copy}>${done ? t("Copied") : t("Copy")}</button></span></label>`;
}

/** Objects whose parts are known; others are shown and cannot be edited here. */
const SHAPES = {
  emails: ["email", "kind"], phones: ["phone", "kind"], social: ["network", "url"],
  addresses: ["kind", "street", "city", "region", "postal_code", "country"],
  address: ["street", "city", "region", "postal_code", "country"],
  checklist: ["text"],
};
export const canEdit = field => !field.read_only && !["ref", "folded", "properties", "stage"].includes(field.type)
  && (field.type !== "object" || field.name in SHAPES) && field.name !== "pipeline_id";

/** `true` if the user may create a record of the kind, and a form here can hold all that it requires. */
export const canCreate = kind => !!kind?.actions.create && kind.list.every(field => !field.required || canEdit(field));

const twoDigits = value => String(value).padStart(2, "0");
const local = value => {
  const at = new Date(value);
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map(twoDigits).join("-");
  return `${day}T${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
};

/** The value of what was typed: `null` if empty. Text that is no number is sent as typed, and the API says so. */
const numeric = typed => {
  const plain = typed.trim().replace(/\s/g, "");
  const point = lang() === "de" ? plain.replace(/\./g, "").replace(",", ".") : plain.replace(/,/g, "");
  return point === "" ? null : Number.isFinite(Number(point)) ? Number(point) : typed;
};
const amount = typed => {
  const value = numeric(typed);
  return value === null ? null : String(value);
};
const shown = value => (value == null ? "" : lang() === "de" ? String(value).replace(".", ",") : String(value));

/** `change` receives the value as the API takes it. */
export function Input({ field, value, change, id, focus, invalid, describe }) {
  const common = { id, "aria-invalid": invalid ? "true" : null, "aria-describedby": describe, "data-focus": focus ? ""
    : null, autocomplete: "off" };
  if (field.list && field.type === "text" && !field.choices) {
    return html`<input ...${common} dir="auto" value=${(value || []).join(", ")}
      onInput=${event => change(event.target.value.split(",").map(one => one.trim()).filter(Boolean))}
        placeholder=${t("Separated by commas")} />`;
  }
  if (field.type === "object") return html`<${Parts} field=${field} value=${value} change=${change} id=${id}
    focus=${focus} />`;
  if (field.type === "id") return field.list ? html`<${Several} ...${{ field, value, change, id, focus }} />`
    : html`<${Lookup} ...${{ field, value, change, id, focus, invalid }} />`;
  if (field.choices) {
    if (field.list) {
      return html`<select ...${common} multiple size=${Math.min(6, field.choices.length)}
        onChange=${event => change([...event.target.selectedOptions].map(one => one.value))}>
        ${field.choices.map(one => html`<option value=${one.value} selected=${(value || []).includes(one.value)}>
          ${t(one.label)}</option>`)}</select>`;
    }
    return html`<select ...${common} value=${value ?? ""} onChange=${event => change(event.target.value || null)}>
      <option value="">–</option>${field.choices.map(one => html`<option value=${one.value}>
        ${t(one.label)}</option>`)}</select>`;
  }
  switch (field.type) {
    case "boolean": return html`<select ...${common} value=${value == null ? "" : String(value)}
      onChange=${event => change(event.target.value === "" ? null : event.target.value === "true")}>
      ${value == null && html`<option value="">–</option>`}<option value="true">${t("Yes")}</option>
        <option value="false">${t("No")}</option></select>`;
    case "long_text": return html`<textarea ...${common} rows="4" dir="auto" value=${value ?? ""}
      onInput=${event => change(event.target.value || null)}></textarea>`;
    case "date": return html`<input ...${common} type="date" value=${value ?? ""}
      onInput=${event => change(event.target.value || null)} />`;
    case "time": return html`<input ...${common} type="datetime-local" value=${value ? local(value) : ""}
      onInput=${event => change(event.target.value ? new Date(event.target.value).toISOString() : null)} />`;
    case "integer": return html`<${Numeric} common=${common} value=${value}
      change=${typed => change(numeric(typed))} />`;
    case "decimal": return html`<${Numeric} common=${common} value=${value}
      change=${typed => change(amount(typed))} />`;
    case "money": return html`<${Money} ...${{ field, value, change, common }} />`;
    default: return html`<input ...${common} dir="auto" type=${{ email: "email", phone: "tel", url: "url" }[field.type]
      || "text"}
      value=${value ?? ""} onInput=${event => change(event.target.value || null)} />`;
  }
}

function Numeric({ common, value, change }) {
  const [typed, type] = useState(shown(value));
  return html`<input ...${common} inputmode="decimal" value=${typed} onInput=${event => { type(event.target.value);
    change(event.target.value); }} />`;
}

function Money({ field, value, change, common }) {
  const [typed, type] = useState(shown(value?.amount)), [currency, choose] = useState(value?.currency
    || world.get().me.organization?.base_currency || "EUR");
  const tell = (amountTyped, code) => { const sum = amount(amountTyped); change(sum === null ? null : { amount: sum,
    currency: code }); };
  return html`<span class="pair"><input ...${common} inputmode="decimal" value=${typed}
    onInput=${event => { type(event.target.value); tell(event.target.value, currency); }} />
    <input class="code" aria-label=${field.label + ": " + t("Currency")} maxlength="3" value=${currency}
      onInput=${event => { const code = event.target.value.toUpperCase(); choose(code); tell(typed, code); }} />
        </span>`;
}

function Parts({ field, value, change, id, focus }) {
  const shape = SHAPES[field.name], list = field.list ? value || [] : [value || {}];
  const set = (at, key, typed) => {
    const next = list.map((one, index) => (index === at ? { ...one, [key]: typed || null } : one));
    const whole = one => Object.fromEntries(Object.entries(one).filter(([, part]) => part !== null));
    change(field.list ? next.map(whole) : Object.values(whole(next[0])).length ? whole(next[0]) : null);
  };
  return html`<div class="parts" id=${id} role="group" aria-label=${field.label}>
    ${list.map((one, at) => html`<div class="part" key=${at}>${shape.map((key, first) => html`<input
      aria-label=${words(key) + (field.list ? " " + (at + 1) : "")} placeholder=${words(key)} dir="auto"
      data-focus=${focus && !at && !first ? "" : null} value=${one[key] ?? ""} onInput=${event => set(at, key,
        event.target.value)} />`)}
      ${field.list && html`<button type="button" class="icon" aria-label=${t("Remove")}
        onClick=${() => change(list.filter((_, index) => index !== at))}>✕</button>`}</div>`)}
    ${field.list && html`<button type="button" onClick=${() => change([...list, {}])}>${t("Add")}</button>`}</div>`;
}

/** A reference: type a few letters, choose with the arrow keys. */
function Lookup({ field, value, change, id, focus, invalid }) {
  names.use();
  const [typed, type] = useState(null), [found, set] = useState([]), [at, move] = useState(0), abort = useRef();
  const kind = world.get().kind(field.of), name = value ? nameOf(field.of, value) : "";
  useEffect(() => {
    if (typed === null || !kind) return;
    abort.current?.abort();
    const { signal } = abort.current = new AbortController();
    const timer = setTimeout(() => find(kind, typed, signal).then(all => { set(all); move(0); }, () => {}), 150);
    return () => clearTimeout(timer);
  }, [typed]);
  const open = typed !== null && found.length > 0;
  const choose = one => { change(one?.id ?? null); type(null); };
  const keys = event => {
    if (!open) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); move((at + step + found.length) % found.length); }
    if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); choose(found[at]); }
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); type(null); }
  };
  return html`<span class="lookup"><input id=${id} role="combobox" aria-expanded=${open} aria-controls=${id + "-all"}
    aria-autocomplete="list" autocomplete="off" aria-invalid=${invalid ? "true" : null}
      aria-activedescendant=${open ? id + "-" + at : null} data-focus=${focus ? "" : null} dir="auto"
        placeholder=${t("Search")}
      value=${typed ?? name ?? ""} onInput=${event => { type(event.target.value); if (!event.target.value) change(null);
        }} onKeyDown=${keys}
      onBlur=${() => setTimeout(() => type(null), 150)} />
    <ul id=${id + "-all"} role="listbox" aria-label=${field.label} hidden=${!open}>${found.map((one, index) => html`<li
      id=${id + "-" + index} role="option" aria-selected=${index === at}
      onMouseDown=${event => { event.preventDefault(); choose(one); }} dir="auto">${one.name}</li>`)}</ul></span>`;
}

function Several({ field, value, change, id, focus }) {
  names.use();
  const list = value || [];
  return html`<div class="parts" role="group" aria-label=${field.label}>
    ${list.map(one => html`<span class="tag"><bdi>${nameOf(field.of, one) ?? "…"}</bdi> <button type="button"
      class="icon" aria-label=${t("Remove")} onClick=${() => change(list.filter(other => other !== one))}>✕</button>
      </span>`)}
    <${Lookup} key=${list.length} field=${{ ...field, list: false }} value=${null} id=${id} focus=${focus}
      change=${one => one && !list.includes(one) && change([...list, one])} /></div>`;
}

/** The `change` of `Fields` for a state of values by name. */
export const setter = set => (name, value) => set(old => ({ ...old, [name]: value }));

/** Inputs with labels and messages, for dialogs and forms. */
export function Fields({ fields, values, change, error, required = () => false }) {
  return fields.map((field, index) => {
    const id = "f-" + field.name.replace(/\W/g, "-"), fault = error?.errors?.find(one => one.field === field.name);
    return html`<div class="field" key=${field.name}><label for=${id}>${field.label}${required(field) && html` <span
      class="must" title=${t("Required")}>*</span>`}</label>
      <${Input} field=${field} value=${values[field.name] ?? null} change=${value => change(field.name, value)} id=${id}
        focus=${index === 0} invalid=${!!fault} describe=${fault ? id + "-e" : null} />
      ${fault && html`<p class="fault" id=${id + "-e"}>${fault.message}</p>`}</div>`;
  });
}
