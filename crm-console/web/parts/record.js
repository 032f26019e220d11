// What a record page consists of: stages, slider, fields, score, timeline.
import { go, html, say, to, useEffect, useLoad, useRef, useState } from "../lib/view.js";
import { call, get, newKey } from "../lib/api.js";
import { t, words } from "../lib/i18n.js";
import { ago, number, onDay, points, text, Value, when } from "../lib/records.js";
import { bodyOf, learn, nameOf, names, save, titleOf, valueOf, world } from "../lib/records.js";
import { canEdit, Dialog, Failure, Fields, Form, Input, setter } from "./form.js";

const stagesOf = (kind, pipeline) => {
  const found = kind.pipelines?.find(one => one.id === pipeline) || kind.pipelines?.find(one => one.is_default);
  return [...(found?.stages || [])].sort((a, b) => a.position - b.position);
};

const request = (kind, record, stage, values = {}) =>
  call("POST", `${kind.path}/${record.id}/stage`, { body: { stage: stage.key, ...bodyOf(values) }, key: newKey() });

/**
 * Moves a record. If the stage requires fields that are empty, `ask` is called with `{ kind, record, stage, fields }`;
 * if it is reached by conversion, with `{ kind, record, converts }`. Any other refusal is thrown.
 */
export async function moveTo(kind, record, stage, ask) {
  try {
    const { data } = await request(kind, record, stage);
    say(t("Moved to {stage}", { stage: stage.name }));
    return data;
  } catch (error) {
    const errors = error.errors || [], missing = errors.filter(one => one.code === "required_by_stage");
    const fields = missing.map(one => kind.fields.get(one.field)).filter(Boolean);
    if (errors.some(one => one.code === "convert_only")) ask({ kind, record, converts: true });
    else if (fields.length && fields.length === errors.length) ask({ kind, record, stage, fields });
    else throw error;
    return null;
  }
}

export const Gate = ({ gate, ...rest }) => html`<${gate.converts ? Convert : Missing} gate=${gate} ...${rest} />`;

/** Converts a lead and opens a deal. */
function Convert({ gate: { kind, record }, close }) {
  const deal = world.get().kind("deal"), wanted = ["title", "value", "expected_close_date"];
  const fields = wanted.map(name => deal?.fields.get(name)).filter(Boolean);
  const [values, set] = useState({ title: record.company_name || titleOf(kind, record) });
  const send = async () => {
    const { data } = await call("POST", `${kind.path}/${record.id}/convert`, { body: { deal: values }, key: newKey() });
    say(t("Converted"));
    close();
    go(data.deal ? ["deal", data.deal.id] : [kind.kind, record.id]);
  };
  return html`<${Dialog} title=${t("Convert {name}", { name: titleOf(kind, record) })} close=${close}>
    <p class="soft">${t("Its contact and company are found or created, and a deal is opened.")}</p>
    <${Form} send=${send} label=${t("Convert")} kind=${deal} cancel=${close}>
      ${error => html`<${Fields} ...${{ fields, values, error }} change=${setter(set)} />`}</${Form}></${Dialog}>`;
}

/** Asks for exactly the fields that a stage requires, and then moves the record. */
function Missing({ gate, close, done }) {
  const { kind, record, stage, fields } = gate;
  const [values, set] = useState(() => Object.fromEntries(fields.map(({ name }) => [name, valueOf(record, name)])));
  const send = async () => {
    const { data } = await request(kind, record, stage, values);
    say(t("Moved to {stage}", { stage: stage.name }));
    close();
    done(data);
  };
  return html`<${Dialog} title=${t("Move to {stage}", { stage: stage.name })} close=${close}>
    <p dir="auto"><b>${titleOf(kind, record)}</b></p>
    <p class="soft">${fields.length === 1 ? t("This stage requires one more field.")
      : t("This stage requires {n} more fields.", { n: fields.length })}</p>
    <${Form} send=${send} label=${t("Move")} kind=${kind} fields=${fields.map(field => field.name)} cancel=${close}>
      ${error => html`<${Fields} ...${{ fields, values, error }} required=${() => true} change=${setter(set)} />`}
    </${Form}></${Dialog}>`;
}

/** The stage bar of a record. */
export function StageBar({ kind, record, then, locked, done, fail }) {
  const [gate, ask] = useState(), [busy, wait] = useState();
  const stages = stagesOf(kind, then.pipeline_id), current = stages.find(one => one.id === then.stage_id);
  if (!stages.length || !("stage_id" in then)) return null;
  const move = async stage => {
    wait(stage.id);
    try {
      const data = await moveTo(kind, record, stage, ask);
      if (data) done(data);
    } catch (error) { fail(error); } finally { wait(null); }
  };
  const open = stages.filter(one => !one.retired || one === current), still = !!(locked || busy);
  const reached = current && current.kind !== "lost" ? current.position : 0;
  const progress = stage => (stage === current ? "current" : stage.kind === "open" && stage.position < reached
    ? "passed" : "");
  const look = stage => `${stage.kind} ${progress(stage)}`;
  return html`<ol class="stages" aria-label=${t("Stages")}>${open.map(stage => html`<li key=${stage.id}
      class=${look(stage)}><button aria-current=${stage === current ? "step" : null} aria-disabled=${still}
        onClick=${() => !still && stage !== current && move(stage)}><bdi>${stage.name}</bdi></button></li>`)}</ol>
    ${gate && html`<${Gate} gate=${gate} close=${() => ask(null)} done=${done} />`}`;
}

/** Steps of the slider. */
const STEPS = 1000;

/** `at` is a time or `null` for now; `move` is called with either. */
export function Slider({ from, changes, at, move, busy }) {
  const start = +new Date(from), end = Date.now(), span = Math.max(end - start, 1);
  const part = time => Math.min(1, Math.max(0, (+new Date(time) - start) / span));
  const stops = [...new Set(changes.map(one => one.occurred_at))].sort((a, b) => new Date(a) - new Date(b));
  // The API's times are finer than those of a browser: the start itself, not a moment before it.
  const slide = value => move(value >= STEPS ? null : value * span < STEPS ? from
    : new Date(start + (value / STEPS) * span).toISOString());
  const now = at ? +new Date(at) : end + 1;
  const before = stops.findLast(one => +new Date(one) < now), after = stops.find(one => +new Date(one) > now);
  return html`<section class=${"slider" + (at ? " past" : "")} aria-label=${t("Time travel")}>
    <button class="icon" onClick=${() => move(before)} disabled=${!before} aria-label=${t("Previous change")}>‹</button>
    <div class="track">
      <input type="range" min="0" max=${STEPS} step="1" value=${at ? Math.round(part(at) * STEPS) : STEPS}
        aria-label=${t("Moment")} aria-valuetext=${at ? when(at) : t("Now")}
        onInput=${event => slide(Number(event.target.value))} />
      <div class="ticks" aria-hidden="true">${stops.map(stop => html`<i key=${stop}
        style=${{ left: part(stop) * 100 + "%" }} class=${at && +new Date(stop) <= now ? "done" : ""}></i>`)}</div>
      <div class="ends" aria-hidden="true"><span>${onDay(from)}</span><span>${t("Now")}</span></div>
    </div>
    <button class="icon" onClick=${() => move(after && after !== stops.at(-1) ? after : null)} disabled=${!at}
      aria-label=${t("Next change")}>›</button>
    <div><output aria-live="polite" class=${busy ? "soft" : ""}><b>${at ? when(at) : t("Now")}</b></output>
      ${at && html`<button class="link" onClick=${() => move(null)}>${t("Back to now")}</button>`}</div>
  </section>`;
}

const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/**
 * One field. `past` is the record at the moment of the slider, or `null`; a field that differs then is marked and shows
 * today's value struck out. `done` receives the record after a change.
 */
export function Field({ kind, field, record, past, done, showHistory }) {
  const [draft, edit] = useState(null), [busy, wait] = useState(false);
  const [error, fail] = useState(), [conflict, clash] = useState();
  const box = useRef(), opener = useRef();
  const now = valueOf(record, field.name), then = past ? valueOf(past, field.name) : now;
  const differs = past && !same(now, then), id = "v-" + field.name.replace(/\W/g, "-");
  const editable = kind.actions.update && canEdit(field) && !past && !record.archived_at;
  const editing = draft !== null;
  useEffect(() => { if (editing) box.current?.querySelector("[data-focus]")?.focus(); }, [editing]);
  const close = () => { edit(null); fail(null); clash(null); requestAnimationFrame(() => opener.current?.focus()); };
  const submit = async (event, based = record) => {
    event?.preventDefault();
    if (busy) return;
    if (same(draft.value, now) && based === record) return close();
    wait(true);
    try {
      const { data } = await save(kind, based, { [field.name]: draft.value });
      close();
      done(data);
      say(t("{field} saved", { field: field.label }));
    } catch (problem) {
      if (problem.status === 409 && problem.code === "conflict") {
        const { data } = await get(kind.path + "/" + record.id).catch(() => ({}));
        if (data) clash(data); else fail(problem);
      } else fail(problem);
    } finally { wait(false); }
  };
  const keys = event => {
    if (event.key === "Escape" && !event.defaultPrevented) { event.preventDefault(); close(); }
    if (event.key === "Enter" && event.target.tagName === "TEXTAREA" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  if (editing) {
    return html`<div class="fact editing" ref=${box}><dt><label for=${id}>${field.label}</label></dt>
      <dd><form noValidate onSubmit=${submit} onKeyDown=${keys} aria-busy=${busy}>
        <${Input} field=${field} value=${draft.value} change=${value => edit({ value })} id=${id} focus
          invalid=${!!error} describe=${error ? id + "-e" : null} />
        <span class="row"><button class="main small" aria-disabled=${busy}>${t("Save")}</button>
          <button type="button" class="small" onClick=${close}>${t("Cancel")}</button></span>
        ${error && html`<p class="fault" id=${id + "-e"} role="alert">
          ${error.errors?.map(one => one.message).join(" ") || error.message}</p>`}
      </form></dd>
      ${conflict && html`<${Conflict} ...${{ field, draft, theirs: conflict, close: () => clash(null) }}
        keep=${() => { clash(null); submit(null, conflict); }}
        take=${() => { done(conflict); close(); }} />`}</div>`;
  }
  return html`<div class=${"fact" + (differs ? " differs" : "")}><dt>${field.label}</dt><dd>
      <span class="value"><${Value} field=${field} value=${then} />
        ${differs && html` <del><span class="sr">${t("now")}: </span>${text(field, now)}</del>`}</span>
      <span class="tools">
        ${editable && html`<button class="icon" ref=${opener} onClick=${() => edit({ value: now })}
          aria-label=${t("Edit {field}", { field: field.label })}>✎</button>`}
        <button class="icon" onClick=${() => showHistory(field)}
          aria-label=${t("History of {field}", { field: field.label })}>↺</button></span></dd></div>`;
}

function Conflict({ field, draft, theirs, keep, take, close }) {
  const value = valueOf(theirs, field.name);
  return html`<${Dialog} title=${t("Changed meanwhile")} close=${close}>
    <p>${t("Somebody changed “{field}” while you were editing it.", { field: field.label })}</p>
    <div class="versus"><div><h3>${t("Theirs")}</h3><p><${Value} field=${field} value=${value} /></p>
        <p class="soft">${nameOf("user", theirs.updated_by)} ${when(theirs.updated_at)}</p></div>
      <div><h3>${t("Yours")}</h3><p><${Value} field=${field} value=${draft.value} /></p></div></div>
    <div class="row end"><button onClick=${take}>${t("Use theirs")}</button>
      <button class="main" data-focus onClick=${keep}>${t("Keep mine")}</button></div></${Dialog}>`;
}

/** The changes of one field, latest first. */
export function FieldHistory({ kind, field, record, close, move }) {
  const history = useLoad(async signal => {
    const ask = { field: field.name, names: true, limit: 100 };
    const { data, meta } = await get(`${kind.path}/${record.id}/history`, ask, signal);
    learn(meta.names);
    return data;
  }, [field.name]);
  const own = change => change.fields.find(one => one.field === field.name) || {};
  return html`<${Dialog} title=${t("History of {field}", { field: field.label })} close=${close}>
    <${Failure} error=${history.error} />
    ${history.value && !history.value.length && html`<p class="empty">${t("Never changed.")}</p>`}
    <ol class="changes" aria-busy=${history.loading}>${(history.value || []).map(change => html`<li
      key=${change.commit}>
      <p><button class="link" onClick=${() => { move(change.occurred_at); close(); }}>
        <time datetime=${change.occurred_at}>${when(change.occurred_at)}</time></button>
        <span class="soft"> ${who(change.by)}</span></p>
      <p><del>${text(field, own(change).old)}</del>${" → "}
        <ins><${Value} field=${field} value=${own(change).new} /></ins></p></li>`)}</ol></${Dialog}>`;
}

/** The score of a record and what it consists of, now or at the moment of the slider. */
export function Score({ kind, record, at, version }) {
  const path = `${kind.path}/${record.id}/score`;
  const score = useLoad(async signal => (await get(path, { at }, signal)).data, [path, at, version]);
  const course = useLoad(async signal => (await get(path + "/course", null, signal)).data.moments, [path, version]);
  const it = score.value;
  if (!it) return null;
  const largest = Math.max(1, ...it.contributions.map(one => Math.abs(one.points)));
  const fact = ({ field, value }) => text(kind.fields.get(field) || { name: field }, value);
  const because = one => one.facts.filter(one => one.fact === "field" && one.value != null).map(fact).join(", ");
  const signed = value => number(value / 1000, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
  const sign = one => (one.points < 0 ? "minus" : "plus");
  return html`<section class="card score" aria-label=${t("Score")}>
    <header class="head"><h2>${at ? t("Score then") : t("Score")}</h2>
      ${it.grade && html`<span class="grade">${it.grade}</span>`}</header>
    <div class="figure"><b>${points(it.total)}</b>
      <span class="soft">${t("Fit")} ${points(it.fit)} · ${t("Engagement")} ${points(it.engagement)}</span>
      <${Course} moments=${course.value} /></div>
    <ul class="why" aria-busy=${score.loading}>${it.contributions.map(one => html`<li key=${one.rule}>
      <span class="what"><span>${words(one.rule || one.source)}</span>
        <small class="soft" dir="auto">${because(one)}</small></span>
      <b class=${sign(one)}>${signed(one.points)}</b>
      <i aria-hidden="true"><i class=${sign(one)} style=${{ width: Math.abs(one.points) / largest * 100 + "%" }}></i>
        </i>
    </li>`)}</ul>
    ${!it.contributions.length && html`<p class="empty">${t("No rule applies yet.")}</p>`}
  </section>`;
}

/** The last 90 days as a line. */
function Course({ moments }) {
  if (!moments || moments.length < 2) return null;
  const top = Math.max(1, ...moments.map(one => one.total)), x = at => (at / (moments.length - 1)) * 120;
  const y = total => 34 - (Math.max(0, total) / top) * 30;
  const line = moments.map(({ total }, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(total).toFixed(1)}`).join("");
  const label = t("Score from {from} to {until}", { from: onDay(moments[0].at), until: onDay(moments.at(-1).at) });
  return html`<svg viewBox="0 0 120 36" role="img" aria-label=${label} preserveAspectRatio="none">
    <path class="area" d=${line + "L120 36L0 36Z"} /><path class="stroke" d=${line} /></svg>`;
}

const PAGE = 40;
const momentOf = ({ type, [type]: it }) => it.occurred_at || it.happens_at || it.completed_at || it.created_at;

/**
 * What happened, latest first: changes, interactions, tasks and notes. `at` hides what happened later; a new `version`
 * loads again.
 */
export function Timeline({ kind, record, at, version, changed, fail }) {
  names.use();
  const [more, grow] = useState([]), [note, write] = useState(false);
  const path = `${kind.path}/${record.id}`;
  const load = async (cursor, signal) => {
    const page = await get(path + "/timeline", { limit: PAGE, names: true, cursor }, signal);
    learn(page.meta.names);
    return page;
  };
  const first = useLoad(async signal => {
    const page = await load(null, signal);
    grow([]);
    return page;
  }, [path, version]);
  const pages = [first.value, ...more].filter(Boolean), next = pages.at(-1)?.meta.next_cursor;
  const entries = pages.flatMap(page => page.data).filter(entry => !at || new Date(momentOf(entry)) <= new Date(at));
  const undo = async change => {
    try {
      // The timeline of a company shows changes of its contacts and deals, too.
      const { kind: name, id } = change.record;
      await call("POST", `${world.get().kind(name).path}/${id}/undo`, { body: { commit: change.commit }, key: newKey() });
      say(t("Undone"));
      changed();
    } catch (error) { fail(error); }
  };
  if (first.error?.status === 404) return null;
  const keyOf = entry => entry.type + (entry.change?.commit || entry[entry.type].id);
  return html`<section class="card line" aria-label=${t("Timeline")}>
    <header class="head"><h2>${t("Timeline")}</h2>${world.get().may("note", "create") && !at
      && html`<button class="small" onClick=${() => write(true)}>${t("Add a note")}</button>`}</header>
    <${Failure} error=${first.error} />
    <ol aria-busy=${first.loading}>${entries.map(entry => html`<${Entry} key=${keyOf(entry)} entry=${entry}
      kind=${kind} undo=${!at && kind.actions.update ? undo : null} />`)}</ol>
    ${!first.loading && !entries.length && html`<p class="empty">${t("Nothing happened yet.")}</p>`}
    ${next && html`<button onClick=${async () => grow([...more, await load(next)])}>${t("Show more")}</button>`}
    ${note && html`<${Note} link=${{ kind: kind.kind, id: record.id }} close=${() => write(false)}
      done=${first.reload} />`}
  </section>`;
}

function Note({ link, close, done }) {
  const key = useRef(newKey());
  const send = async ({ title, content }) => {
    await call("POST", "notes", { body: { title: title || null, content, links: [link] }, key: key.current });
    close();
    done();
  };
  return html`<${Dialog} title=${t("Add a note")} close=${close}>
    <${Form} label=${t("Save")} cancel=${close} send=${send}>
      <label>${t("Title")}<input name="title" data-focus dir="auto" /></label>
      <label>${t("Note")}<textarea name="content" rows="5" required dir="auto"></textarea></label></${Form}>
        </${Dialog}>`;
}

const VERBS = {
  create: "created", update: "changed", move_stage: "moved", convert: "converted", archive: "archived",
  restore: "restored", undo: "undid a change", grade_changed: "rated",
};
const who = id => (id ? nameOf("user", id) || t("Somebody") : t("The CRM"));

function Entry({ entry, kind, undo }) {
  const { type, [type]: it } = entry, moment = momentOf(entry);
  const stamp = html`<time datetime=${moment} title=${when(moment)}>${ago(moment)}</time>`;
  if (type === "change") return html`<${Change} change=${it} ...${{ kind, undo, stamp }} />`;
  return html`<li class=${type}>${stamp}<p><b>${words(type === "interaction" ? it.type : type)}</b>${" "}
    <a href=${to([type, it.id])} dir="auto">${it.subject || it.title || t("Open")}</a>
    ${it.outcome && html`<span class="soft"> · <bdi>${words(it.outcome)}</bdi></span>`}</p></li>`;
}

function Change({ change, kind, undo, stamp }) {
  const [all, show] = useState(false), { record, action } = change;
  const fields = world.get().kind(record.kind)?.fields;
  const changes = change.fields.filter(one => one.field !== "search_text");
  const shown = all ? changes : changes.slice(0, 5);
  const named = name => fields?.get(name) || { name, label: words(name.replace(/^properties\./, "")), type: "text" };
  const isEmpty = value => value == null || (Array.isArray(value) && !value.length);
  const row = ({ field, old, new: now }) => html`<li key=${field}><span class="soft">${named(field).label}:</span>${" "}
    ${!isEmpty(old) && action !== "create" && html`<del dir="auto">${text(named(field), old)}</del> → `}
    <ins dir="auto">${text(named(field), now)}</ins></li>`;
  return html`<li class=${"change " + action}>${stamp}
    <p><b><bdi>${who(change.by)}</bdi></b>${" "}${VERBS[action] ? t(VERBS[action]) : words(action).toLowerCase()}
      ${record.kind !== kind.kind && html` <a href=${to([record.kind, record.id])}>
        <bdi>${nameOf(record.kind, record.id)}</bdi></a>`}
      ${change.undoable && undo && html` <button class="link" onClick=${() => undo(change)}
        aria-label=${t("Undo the change of {when}", { when: when(change.occurred_at) })}>${t("Undo")}</button>`}</p>
    <ul>${shown.map(row)}</ul>
    ${changes.length > shown.length && html`<button class="link" onClick=${() => show(true)}>
      ${t("{n} more", { n: changes.length - shown.length })}</button>`}</li>`;
}
