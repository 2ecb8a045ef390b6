// The page drawn from its state, once a frame at most.

import { html, render } from "./vendor/lit-html/lit-html.js";
import { guard } from "./vendor/lit-html/directives/guard.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { scrollTo, visible } from "./board.js";
import * as panels from "./panels.js";
import { firingTemplate, placeholder, rowTemplate } from "./row.js";
import { board, feed, now, page, place, rowsAt, scroller, state, verdicts, writes } from "./state.js";

const FIRINGS = 50;
let drawing = 0;
let noticeTimer = 0;

/** Draw the page with the next frame. */
export function draw() {
  if (document.hidden) drawTitle(board.news()); // no frames come to a tab that nobody sees, but its title shows
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    drawNow();
  });
}

export function drawNow() {
  board.release();
  drawRows();
  const { query, stale, letters } = state;
  const { counts, everything, selected, total } = board;
  const news = board.news();
  drawPart("views", [query, counts], () => panels.views(page.views, query, counts));
  drawPart("orders", [query], () => panels.orders(query));
  drawPart("pill", [news.count, news.likely, stale], () => panels.pill(news, stale));
  drawPart("live", [feed.paused, feed.state, counts], () => panels.live(feed, counts));
  drawPart("away", [counts], () => counts.away.map((each) => html`<p class="away">${each}</p>`));
  const many = writes && selected.size > 0;
  const foot = () => (many ? panels.selection(board, total) : panels.footer(writes, letters));
  drawPart("foot", [many, everything, selected.size, total, letters], foot);
  place("foot").classList.toggle("selecting", many);
  document.body.classList.toggle("selecting-any", many);
  drawPane();
  drawNotice();
  drawTitle(news);
}

/** Draw a part of the page, unless what it is made of is what it was: a key is to cost no more than the rows it changes. */
function drawPart(id, known, template) {
  render(guard(known, template), place(id));
}

function drawTitle({ likely }) {
  const title = `${likely ? `(${likely}) ` : ""}noisegate: alerts`;
  if (document.title !== title) document.title = title;
}

export function extra() {
  return state.expanded && board.index.has(state.expanded.key) ? Math.min(state.expanded.firings.length, FIRINGS) : 0;
}

function drawRows() {
  const count = board.total + extra();
  const { from, to } = visible({ top: scroller.scrollTop, height: scroller.clientHeight, rowHeight: state.rowHeight, total: count });
  const items = [];
  for (let at = from; at < to; at += 1) items.push(item(at));
  const empty = html`<li class="nothing">${state.query.q ? "No alert matches." : "No open alerts."}</li>`;
  render(count ? repeat(items, (each) => each.id, (each) => each.template) : empty, rowsAt);
  rowsAt.style.padding = `${from * state.rowHeight}px 0 ${(count - to) * state.rowHeight}px`;
  state.needs(from, to);
  if (state.refocus) focusCursor();
}

function item(at) {
  const opened = extra() ? board.index.get(state.expanded.key) : Infinity;
  if (at > opened && at <= opened + extra()) {
    const firing = state.expanded.firings[at - opened - 1];
    return { id: `firing ${firing.alert_id}`, template: firingTemplate(firing, board.rows.get(state.expanded.key), { now: now(), utc: state.utc }) };
  }
  const rowAt = at > opened ? at - extra() : at;
  const key = board.order[rowAt];
  if (!key) return { id: rowAt, template: placeholder({ at: rowAt, total: board.total }) };
  const row = board.shown(key);
  const view = {
    at: rowAt, total: board.total, utc: state.utc, now: now(), person: verdicts.around.person, writes, held: board.held.has(key),
    cursor: key === board.cursor, selected: board.selected.has(key), opened: key === board.opened, expanded: state.expanded?.key === key,
  };
  const { now: _, ...rest } = view;
  const tick = Math.floor(view.now / (view.now - row.latest_at < 60 ? 1 : 10));
  const known = [row === board.rows.get(key) ? row : JSON.stringify(row), tick, ...Object.values(rest)];
  return { id: key, template: guard(known, () => rowTemplate(row, view)) };
}

function drawPane() {
  const shown = board.opened !== null || state.detail !== "";
  place("pane").hidden = !shown;
  document.body.classList.toggle("with-pane", shown);
  if (!shown) return;
  const row = board.opened === null ? null : board.shown(board.opened);
  place("pane").classList.toggle("known", Boolean(row));
  render(panels.paneHead(row, { now: now(), utc: state.utc, writes, held: board.held.has(board.opened) }), place("pane-head"));
}

function drawNotice() {
  clearTimeout(noticeTimer);
  verdicts.expire();
  const current = verdicts.notice;
  if (current && now() > state.noticeEnds) verdicts.notice = null;
  const isOpen = current?.kind === "done" && verdicts.done.includes(current.entry);
  const left = isOpen ? Math.min(current.entry.until - now(), page.undo_seconds) : 0;
  render(panels.notice(verdicts.notice, left), place("notice"));
  if (verdicts.notice) noticeTimer = setTimeout(draw, 500);
}

export function tellNotice(seconds = page.undo_seconds) {
  state.noticeEnds = now() + seconds;
  draw();
}

export function focusCursor() {
  const row = rowsAt.querySelector(`[data-key="${CSS.escape(board.cursor ?? "")}"] .title`);
  if (!row) return;
  state.refocus = false;
  row.focus({ preventScroll: true });
}

export function scrollToRow(at) {
  const opened = extra() ? board.index.get(state.expanded.key) : Infinity;
  const shownAt = at > opened ? at + extra() : at;
  scroller.scrollTop = scrollTo(shownAt, { top: scroller.scrollTop, height: scroller.clientHeight, rowHeight: state.rowHeight });
}

