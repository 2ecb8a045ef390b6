// The list in the browser: starts it, and takes the person's clicks.

import { commands, expand, focusList } from "./commands.js";
import { draw, drawNow } from "./drawing.js";
import { bind } from "./keys.js";
import { goBack, open, openNamed, show } from "./navigation.js";
import { publish } from "./requests.js";
import { arrived, load, loadWhole, mend } from "./rows.js";
import { board, feed, named, page, place, rowsAt, scroller, state, verdicts, writes } from "./state.js";

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
  else if (view) show({ ...state.query, ...named(view.dataset.view) });
  else if (sort) show({ ...state.query, view: "", sort: sort.dataset.sort });
  else return;
  state.refocus ||= !command && event.detail > 0; // a mouse leaves no focus on a link that was to show other rows
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
    state.refocus = true;
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
  feed.addEventListener("batch", (event) => arrived(event.batch));
  feed.addEventListener("state", draw);
  feed.addEventListener("reset", mend);
  addEventListener("popstate", goBack);
  addEventListener("pagehide", leaving);
  addEventListener("pageshow", (event) => event.persisted && feed.open());
  setInterval(() => feed.paused || draw(), 5_000);
  bind(commands, { letters: () => state.letters });
}

function leaving() {
  feed.close();
  const ids = verdicts.open();
  if (ids.length) publish(ids);
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
  typing = setTimeout(() => show({ ...state.query, view: "", q: place("q").value.trim() }, { typing: true }), 250);
}

function measure() {
  state.rowHeight = parseFloat(getComputedStyle(rowsAt).getPropertyValue("--row")) || state.rowHeight;
  draw();
}

function start() {
  for (const id of ["rows", "views", "orders", "pill", "live", "away", "foot", "pane-head", "notice"]) place(id).replaceChildren();
  place("zone").textContent = state.utc ? "UTC" : "Local";
  place("q").value = state.query.q;
  document.body.classList.add("scripted");
  state.needs = load;
  listen();
  measure();
  drawNow();
  feed.open();
  if (page.query.alert) openNamed(page.query.alert);
  setTimeout(loadWhole, 500);
}

start();
