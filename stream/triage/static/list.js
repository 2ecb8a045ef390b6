// The list: state, keys and server brought together. What it shows is decided in board.js, how in row.js and panels.js.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { guard } from "./vendor/lit-html/directives/guard.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { alertName, alertOf, alertPath, read, write } from "./address.js";
import { Board, scrollTo, visible } from "./board.js";
import { ask, tell } from "./dialog.js";
import { Feed } from "./feed.js";
import { bind } from "./keys.js";
import * as panels from "./panels.js";
import * as requests from "./requests.js";
import { firingTemplate, placeholder, rowTemplate } from "./row.js";
import { matcher } from "./search.js";
import { clock } from "./times.js";
import { Verdicts } from "./verdicts.js";

const page = JSON.parse(document.getElementById("state").textContent);
const place = (id) => document.getElementById(id);
const scroller = place("scroller");
const rowsAt = place("rows");
const offset = page.now - Date.now() / 1000;
const now = () => Date.now() / 1000 + offset;
const writes = page.role === "responder";
const WHOLE = 1_000; // a snapshot of so many rows is fetched whole, in the background
const FIRINGS = 50;
const RECENT = 100; // batches that are applied again on a snapshot that was taken before them

const board = new Board(page.first);
const feed = new Feed(page.first.seq);
const verdicts = new Verdicts(board, {
  send: requests.post, newId: requests.newId, now, person: page.pseudonym ?? page.person, undoSeconds: page.undo_seconds,
});
let query = page.query;
let matches = matcher(query.q);
let utc = localStorage.getItem("utc") === "true";
let letters = localStorage.getItem("letters") !== "false";
let rowHeight = 52;
let stale = false; // whether the server forgot the snapshot
let loading = null;
let expanded = null; // {key, firings} of the one opened episode
let detail = { name: "", content: null, error: "" }; // of the opened alert
let noticeEnds = 0;
let noticeTimer = 0;
let recent = [];
let drawing = 0;
let refocus = false;

// Drawing

function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    drawNow();
  });
}

function drawNow() {
  board.release();
  drawRows();
  render(panels.views(page.views, query, board.counts), place("views"));
  render(panels.orders(query), place("orders"));
  render(panels.pill(board.news(), stale), place("pill"));
  render(panels.live(feed, board.counts), place("live"));
  render(board.counts.away.map((each) => html`<p class="away">${each}</p>`), place("away"));
  const many = writes && board.selected.size > 0;
  render(many ? panels.selection(board, board.total) : panels.footer(writes, letters), place("foot"));
  place("foot").classList.toggle("selecting", many);
  drawPane();
  drawNotice();
  const { likely } = board.news();
  document.title = `${likely ? `(${likely}) ` : ""}noisegate: alerts`;
}

function extra() {
  return expanded && board.index.has(expanded.key) ? Math.min(expanded.firings.length, FIRINGS) : 0;
}

function drawRows() {
  const count = board.total + extra();
  const { from, to } = visible({ top: scroller.scrollTop, height: scroller.clientHeight, rowHeight, total: count });
  const items = [];
  for (let at = from; at < to; at += 1) items.push(item(at));
  const empty = html`<li class="nothing">${query.q ? "No alert matches." : "No open alerts."}</li>`;
  render(count ? repeat(items, (each) => each.id, (each) => each.template) : empty, rowsAt);
  rowsAt.style.paddingTop = `${from * rowHeight}px`;
  rowsAt.style.paddingBottom = `${(count - to) * rowHeight}px`;
  load(from, to);
  if (refocus) focusCursor();
}

function item(at) {
  const opened = extra() ? board.index.get(expanded.key) : Infinity;
  if (at > opened && at <= opened + extra()) {
    const firing = expanded.firings[at - opened - 1];
    return { id: `firing ${firing.alert_id}`, template: firingTemplate(firing, board.rows.get(expanded.key), { now: now(), utc }) };
  }
  const rowAt = at > opened ? at - extra() : at;
  const key = board.order[rowAt];
  if (!key) return { id: rowAt, template: placeholder({ at: rowAt, total: board.total }) };
  const row = board.shown(key);
  const view = {
    at: rowAt, total: board.total, utc, now: now(), person: verdicts.around.person, writes, held: board.held.has(key),
    cursor: key === board.cursor, selected: board.selected.has(key), opened: key === board.opened, expanded: expanded?.key === key,
  };
  const { now: _, ...rest } = view;
  const tick = Math.floor(view.now / (view.now - row.latest_at < 60 ? 1 : 10));
  const known = [row === board.rows.get(key) ? row : JSON.stringify(row), tick, ...Object.values(rest)];
  return { id: key, template: guard(known, () => rowTemplate(row, view)) };
}

function drawPane() {
  const shown = board.opened !== null || detail.name !== "";
  place("pane").hidden = !shown;
  document.body.classList.toggle("with-pane", shown);
  if (!shown) return;
  const row = board.opened === null ? null : board.shown(board.opened);
  render(panels.paneHead(row, { now: now(), utc, writes, held: board.held.has(board.opened) }), place("pane-head"));
}

function drawNotice() {
  clearTimeout(noticeTimer);
  verdicts.expire();
  const current = verdicts.notice;
  if (current && now() > noticeEnds) verdicts.notice = null;
  const left = current?.kind === "done" && verdicts.done.includes(current.entry) ? current.entry.until - now() : 0;
  render(panels.notice(verdicts.notice, left), place("notice"));
  if (verdicts.notice) noticeTimer = setTimeout(draw, 500);
}

function tellNotice(seconds = page.undo_seconds) {
  noticeEnds = now() + seconds;
  draw();
}

// Rows that are not here yet

async function load(from, to) {
  const gap = board.missing(from - 50, to + 50);
  if (!gap || loading || stale) return;
  const { snapshot } = board;
  loading = requests.rows(query, { snapshot, ...gap });
  try {
    const part = await loading;
    if (board.snapshot === snapshot) board.fill(part, gap.limit);
  } catch (error) {
    stale = error.status === 410;
    if (!stale) await new Promise((resume) => setTimeout(resume, 1_000));
  } finally {
    loading = null;
    draw();
  }
}

function loadWhole() {
  if (board.complete || board.total > WHOLE || stale) return;
  load(0, board.total).then(() => setTimeout(loadWhole, 100));
}

/** Take a new snapshot: of the same list (`.`) or of another. */
async function take({ top = scroller.scrollTop < rowHeight } = {}) {
  const before = board.index.get(board.cursor) * rowHeight - scroller.scrollTop;
  let first;
  try {
    first = await requests.rows(query);
  } catch (error) {
    verdicts.notice = { kind: "error", text: error.message };
    tellNotice();
    return;
  }
  stale = false;
  expanded = null;
  board.take(first);
  for (const batch of recent) if (batch.seq > first.seq) board.apply(batch, matches);
  drawNow();
  const at = board.index.get(board.cursor);
  scroller.scrollTop = top || at === undefined ? 0 : at * rowHeight - before;
  draw();
  setTimeout(loadWhole, 500);
}

function arrived(batch) {
  recent = [...recent.slice(-RECENT), batch];
  board.apply(batch, matches);
  draw();
}

/** The server lost what came in between: rows that are here change in place, others wait as new ones. */
async function mend() {
  try {
    const now_ = await requests.rows(query, { limit: 200 });
    arrived({ seq: feed.seq, upsert: now_.rows, gone: [], counts: now_.counts });
  } catch {
    setTimeout(mend, 2_000);
  }
}

// The address

function show(next, { push = true } = {}) {
  const changed = next.q !== query.q || next.sort !== query.sort || next.view !== query.view;
  query = next;
  if (push) history.pushState({}, "", write(query));
  if (!changed) return draw();
  matches = matcher(query.q);
  place("q").value = query.q;
  board.clearSelection();
  board.cursor = null;
  return take({ top: true });
}

function named(name) {
  const view = page.views.find((each) => each.name === name);
  return view ? { q: view.q, sort: view.sort, view: name } : {};
}

function goBack() {
  const given = read(location.search);
  show({ ...given, ...named(given.view) }, { push: false });
  if (given.alert !== detail.name) openNamed(given.alert);
}

// The opened alert

function openNamed(name) {
  const alert = alertOf(name);
  if (!alert) return hidePane();
  const row = [...board.rows.values()].find((each) => each.team === alert.team && each.alert_id === alert.alert_id);
  board.opened = row?.key ?? null;
  return showDetail(name, alert);
}

function open(key, { replace = false } = {}) {
  const row = board.rows.get(key);
  if (!row) return;
  const name = alertName(row);
  board.opened = key;
  if (name !== detail.name) {
    query = { ...query, alert: name };
    const already = replace || history.state?.opened;
    history[already ? "replaceState" : "pushState"]({ opened: true }, "", write(query));
    showDetail(name, row);
  }
  draw();
}

async function showDetail(name, alert) {
  detail = { name };
  const body = place("pane-body");
  body.setAttribute("aria-busy", "true");
  draw();
  let content;
  try {
    content = await requests.alertPage(alert);
  } catch (error) {
    content = [error.message];
  }
  if (detail.name !== name) return;
  body.replaceChildren(...content);
  body.removeAttribute("aria-busy");
}

function hidePane() {
  board.opened = null;
  detail = { name: "" };
  query = { ...query, alert: "" };
  place("pane-body").replaceChildren();
  draw();
}

function close() {
  if (history.state?.opened) return history.back();
  hidePane();
  history.pushState({}, "", write(query));
  return undefined;
}

// The cursor

function focusCursor() {
  const row = rowsAt.querySelector(`[data-key="${CSS.escape(board.cursor ?? "")}"] .title`);
  if (!row) return;
  refocus = false;
  row.focus({ preventScroll: true });
}

function scrollToRow(at) {
  const opened = extra() ? board.index.get(expanded.key) : Infinity;
  const shownAt = at > opened ? at + extra() : at;
  scroller.scrollTop = scrollTo(shownAt, { top: scroller.scrollTop, height: scroller.clientHeight, rowHeight });
}

function move(by) {
  const at = board.move(by);
  if (at >= 0) reach(at);
}

function reach(at) {
  scrollToRow(at);
  refocus = true;
  if (detail.name && board.order[at] && board.order[at] !== board.opened) open(board.order[at], { replace: true });
  draw();
}

function selectBy(by) {
  if (!board.selected.size && board.cursor !== null) board.toggle(board.cursor);
  move(by);
  if (board.cursor !== null) board.extend(board.cursor);
}

// Verdicts

async function verdict(action, withReason = false) {
  if (!writes || board.chosen === 0) return;
  const choice = board.choice();
  const { everything } = board;
  const several = everything || board.selected.size > 0;
  let reason = null;
  if (withReason || page.reason_required) {
    reason = await ask(`${action === "acted" ? "Acted: what was it?" : "Dismiss: why?"}`, page.reasons.map((each) => [each, each]), "Another reason");
    if (!reason) return;
  }
  const done = verdicts.give(action, choice, reason);
  settle(done, several);
}

async function snooze() {
  if (!writes || board.chosen === 0) return;
  const choice = board.choice();
  const several = board.everything || board.selected.size > 0;
  const until = await ask("Snooze", [
    ["hour", "For 1 hour"],
    ["shift", `To the end of the shift, ${clock(page.shift_ends_at, now(), utc)}`],
    ["escalates", "Until it escalates"],
  ]);
  if (!until) return;
  const ends = { hour: now() + 3_600, shift: page.shift_ends_at }[until] ?? null;
  settle(verdicts.snooze(until, ends, choice), several);
}

function settle(done, several) {
  if (several) board.clearSelection();
  else reach(board.goOn());
  tellNotice();
  done.then(() => tellNotice());
}

async function undo() {
  const entry = verdicts.undo();
  tellNotice();
  const undone = await entry;
  if (undone?.keys.length === 1 && board.index.has(undone.keys[0])) {
    [board.cursor] = undone.keys;
    reach(board.index.get(board.cursor));
  }
  tellNotice();
}

async function expand(wanted) {
  const key = board.cursor;
  const row = board.rows.get(key);
  if (!wanted || expanded?.key === key || !(row?.firings > 1)) {
    expanded = null;
    return draw();
  }
  try {
    expanded = { key, firings: await requests.firings(key) };
  } catch (error) {
    verdicts.notice = { kind: "error", text: error.message };
    return tellNotice();
  }
  return draw();
}

// Commands, by key and by button

const commands = {
  next: () => move(1),
  previous: () => move(-1),
  open: () => (board.cursor === null ? false : open(board.cursor)),
  leave() {
    if (document.activeElement === place("q")) return focusList();
    if (board.selected.size) board.clearSelection();
    else if (detail.name) close();
    return draw();
  },
  expand: () => expand(true),
  collapse: () => expand(false),
  acted: () => verdict("acted"),
  dismissed: () => verdict("dismissed"),
  actedWhy: () => verdict("acted", true),
  dismissedWhy: () => verdict("dismissed", true),
  snooze,
  undo,
  select() {
    if (writes && board.cursor !== null) board.toggle(board.cursor);
    draw();
  },
  selectTo() {
    if (writes && board.cursor !== null) board.extend(board.cursor);
    draw();
  },
  selectDown: () => writes && selectBy(1),
  selectUp: () => writes && selectBy(-1),
  selectAll() {
    board.selectAll();
    draw();
  },
  take: () => take(),
  search: () => place("q").select(),
  pause() {
    if (feed.paused) feed.resume();
    else feed.pause();
    draw();
  },
  copy: () => copyLink(),
  help: () => tell(panels.help(writes)),
  letters() {
    letters = !letters;
    localStorage.setItem("letters", letters);
    draw();
  },
  zone() {
    utc = !utc;
    localStorage.setItem("utc", utc);
    place("zone").textContent = utc ? "UTC" : "Local time";
    draw();
  },
  refresh() {
    const row = board.held.get(board.opened);
    if (row) board.answer([row]);
    draw();
  },
};

function focusList() {
  refocus = true;
  draw();
}

async function copyLink() {
  const row = board.rows.get(board.cursor);
  const path = row && !detail.name ? alertPath(row) : write(query);
  try {
    await navigator.clipboard.writeText(new URL(path, location.href).href);
    verdicts.notice = { kind: "copied", text: "The link is copied." };
  } catch {
    verdicts.notice = { kind: "error", text: "The browser does not let this page copy." };
  }
  tellNotice();
}

// Events

function keyOf(target) {
  return target instanceof Element ? (target.closest("[data-key]")?.dataset.key ?? null) : null;
}

function clicked(event) {
  const { target } = event;
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const command = target.closest("[data-command]");
  const view = target.closest("[data-view]");
  const sort = target.closest("[data-sort]");
  if (command) commands[command.dataset.command]();
  else if (view) show({ ...query, ...named(view.dataset.view) });
  else if (sort) show({ ...query, view: "", sort: sort.dataset.sort });
  else return;
  event.preventDefault();
}

function clickedRow(event) {
  const key = keyOf(event.target);
  if (key === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const link = event.target.closest("a");
  if (link && !link.closest(`[data-key]`)) return;
  board.cursor = key;
  if (event.target.closest(".more")) expand(true);
  else if (event.target.closest(".pick") || event.shiftKey) pick(key, event.shiftKey);
  else {
    event.preventDefault();
    open(key);
    refocus = true;
  }
  draw();
}

function pick(key, range) {
  if (!writes) return;
  if (range) board.extend(key);
  else board.toggle(key);
}

function listen() {
  document.addEventListener("click", clicked);
  rowsAt.addEventListener("click", clickedRow);
  rowsAt.addEventListener("pointerover", (event) => hover(event.pointerType === "touch" ? null : keyOf(event.target)));
  rowsAt.addEventListener("pointerleave", () => hover(null));
  rowsAt.addEventListener("focusin", (event) => focused(keyOf(event.target)));
  rowsAt.addEventListener("focusout", () => focused(null));
  scroller.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(measure).observe(scroller);
  place("search").addEventListener("submit", (event) => event.preventDefault());
  place("q").addEventListener("input", typed);
  place("q").addEventListener("keydown", (event) => event.key === "Enter" && focusList());
  feed.addEventListener("batch", (event) => arrived(event.detail));
  feed.addEventListener("state", draw);
  feed.addEventListener("reset", mend);
  addEventListener("popstate", goBack);
  addEventListener("pagehide", leaving);
  addEventListener("pageshow", (event) => event.persisted && feed.open());
  setInterval(draw, 5_000);
  bind(commands, { letters: () => letters });
}

function leaving() {
  feed.close();
  const ids = verdicts.open();
  if (ids.length) requests.publish(ids);
}

function hover(key) {
  if (key === board.hovered) return;
  board.hovered = key;
  if (board.release()) draw();
}

function focused(key) {
  board.focused = key !== null;
  if (key !== null && key !== board.cursor) {
    board.cursor = key;
    draw();
  }
}

let typing = 0;
function typed() {
  clearTimeout(typing);
  typing = setTimeout(() => show({ ...query, view: "", q: place("q").value.trim() }), 250);
}

function measure() {
  rowHeight = parseFloat(getComputedStyle(rowsAt).getPropertyValue("--row")) || rowHeight;
  draw();
}

function start() {
  for (const id of ["rows", "views", "orders", "pill", "live", "away", "foot", "pane-head", "notice"]) place(id).replaceChildren();
  place("zone").textContent = utc ? "UTC" : "Local time";
  document.body.classList.add("scripted");
  listen();
  measure();
  drawNow();
  feed.open();
  if (page.query.alert) openNamed(page.query.alert);
  setTimeout(loadWhole, 500);
}

start();
