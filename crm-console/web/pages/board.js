// The board of a pipeline: columns of cards, moved by drag, by keyboard or by touch.
import { go, html, to, useLoad, useRef, useState } from "../lib/view.js";
import { get } from "../lib/api.js";
import { t, words } from "../lib/i18n.js";
import { asked, money, nameOf, names, number, onDay, points, titleOf, world } from "../lib/records.js";
import { Failure } from "../parts/form.js";
import { Gate, moveTo } from "../parts/record.js";

const PER_COLUMN = 30;
const SHOWN = ["value", "company_name", "owner_id", "expected_close_date", "score", "stage_id", "pipeline_id"];

export function Board({ kind, pipeline, query }) {
  names.use();
  const chosen = kind.pipelines.find(one => one.id === pipeline) || kind.pipelines.find(one => one.is_default)
    || kind.pipelines[0];
  const [gate, ask] = useState(null), [problem, fail] = useState(), [over, hover] = useState(null), dragged = useRef();
  const movable = kind.actions.update, owner_id = query.mine === "1" ? "me" : null;
  const listed = { sort: "-created_at", fields: asked([kind.title, ...SHOWN.filter(name => kind.fields.has(name))]) };
  const columns = useLoad(async signal => {
    const { data } = await get(`pipelines/${chosen.id}/board`, { ...listed, per_column: PER_COLUMN, owner_id }, signal);
    return data;
  }, [chosen.id, owner_id]);
  const sums = useLoad(signal => sumsOf(kind, chosen, owner_id, signal), [chosen.id, owner_id, columns.value]);
  const shown = columns.value || [];
  const move = async (record, stage) => {
    if (!stage || record.stage_id === stage.id) return;
    // Shown in its new column at once; loading again puts it right if it is refused.
    columns.replace(shown.map(column => {
      const comes = column.stage.id === stage.id, rest = column.records.filter(one => one.id !== record.id);
      return { ...column, count: column.count + comes - (rest.length < column.records.length),
        records: comes ? [{ ...record, stage_id: stage.id }, ...rest] : rest };
    }));
    try {
      await moveTo(kind, record, stage, ask);
      fail(null);
    } catch (error) { fail(error); }
    columns.reload();
    // The card is another element now: the keyboard goes on from it.
    if (document.activeElement === document.body) document.getElementById("move-" + record.id)?.focus();
  };
  const more = async column => {
    const next = { filter: JSON.stringify(column.filter), cursor: column.next_cursor, limit: PER_COLUMN };
    const { data, meta } = await get(kind.path, { ...listed, ...next });
    const longer = { ...column, records: [...column.records, ...data], next_cursor: meta.next_cursor };
    columns.replace(shown.map(one => (one === column ? longer : one)));
  };
  const drop = (event, stage) => {
    event.preventDefault();
    hover(null);
    if (dragged.current) move(dragged.current, stage);
    dragged.current = null;
  };
  return html`<main id="main" class="wide">
    <header class="top"><h1 tabindex="-1">${t("Board")} <small>${words(kind.plural)}</small></h1>
      ${kind.pipelines.length > 1 && html`<select aria-label=${t("Pipeline")} value=${chosen.id}
          onChange=${event => go(["board", kind.kind, event.target.value], query)}>
        ${kind.pipelines.map(one => html`<option value=${one.id}>${one.name}</option>`)}</select>`}
      ${kind.fields.has("owner_id") && html`<button aria-pressed=${!!owner_id}
          onClick=${() => go(["board", kind.kind, chosen.id], { mine: owner_id ? "" : "1" })}>${t("Mine")}</button>`}
    </header>
    <${Failure} error=${columns.error || problem} kind=${kind} />
    <div class="board" aria-busy=${columns.loading} tabindex="0" role="region" aria-label=${t("Board")}>
      ${shown.map(column => html`<section key=${column.stage.id} aria-labelledby=${"c-" + column.stage.id}
          class=${"column " + column.stage.kind + (over === column.stage.id ? " over" : "")}
          onDragOver=${event => { if (dragged.current) { event.preventDefault(); hover(column.stage.id); } }}
          onDragLeave=${event => !event.currentTarget.contains(event.relatedTarget) && hover(null)}
          onDrop=${event => drop(event, column.stage)}>
        <header><h2 id=${"c-" + column.stage.id}><bdi>${column.stage.name}</bdi> <small>${number(column.count)}</small>
          </h2>
          <p class="sum">${sums.value?.get(column.stage.id)}</p></header>
        <ul>${column.records.map(record => html`<${Card} key=${record.id} ...${{ kind, record, dragged, movable, move }}
          stages=${shown.map(one => one.stage)} end=${() => { dragged.current = null; hover(null); }} />`)}</ul>
        ${column.next_cursor && column.count > column.records.length
          && html`<button class="link" onClick=${() => more(column)}>${t("Show more")}</button>`}
      </section>`)}</div>
    ${gate && html`<${Gate} gate=${gate} close=${() => ask(null)} done=${() => { fail(null); columns.reload(); }} />`}
  </main>`;
}

/** The values by stage, from the report, for those who may see it: it covers the cards that are not loaded, too. */
async function sumsOf(kind, pipeline, owner_id, signal) {
  const currency = world.get().me.organization?.base_currency;
  if (kind.kind !== "deal" || !kind.actions.report || !currency) return new Map();
  const { data } = await get("reports/pipeline", { pipeline_id: pipeline.id, owner_id }, signal);
  const sum = stage => (stage.value.in_base?.sum ? money({ amount: stage.value.in_base.sum, currency }, true) : "");
  return new Map(data.stages.map(stage => [stage.id, sum(stage)]));
}

function Card({ kind, record, stages, dragged, movable, move, end }) {
  const title = titleOf(kind, record);
  const start = event => {
    dragged.current = record;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", title);
  };
  const choose = event => {
    const stage = stages.find(one => one.id === event.target.value);
    event.target.value = "";
    move(record, stage);
  };
  return html`<li class="ticket" draggable=${movable ? "true" : null} onDragStart=${start} onDragEnd=${end}>
    <a href=${to([kind.kind, record.id])} dir="auto" draggable="false">${title}</a>
    ${record.company_name && html`<p class="soft" dir="auto">${record.company_name}</p>`}
    <p class="line"><b>${record.value?.currency ? money(record.value) : record.score ? points(record.score) : ""}</b>
      <span class="soft">${record.expected_close_date ? onDay(record.expected_close_date) : ""}</span></p>
    <p class="line"><span class="soft"><bdi>${record.owner_id ? nameOf("user", record.owner_id) : ""}</bdi></span>
      ${movable && html`<select class="move" id=${"move-" + record.id} value="" onChange=${choose}
          aria-label=${t("Move {title} to", { title })}><option value="">${t("Move to…")}</option>
        ${stages.filter(one => one.id !== record.stage_id && !one.retired)
          .map(one => html`<option value=${one.id}>${one.name}</option>`)}</select>`}</p></li>`;
}
