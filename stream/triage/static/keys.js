// The keys of the list as a table: what help shows is what is bound. Letters can be switched off (WCAG 2.1.4).

import { tinykeys } from "./vendor/tinykeys/tinykeys.mjs";

/** name of the command: its keys as tinykeys writes them, as people read them, and what it does */
export const KEYS = {
  next: { bind: ["j"], always: ["ArrowDown"], shown: "j", help: "next alert", repeats: true },
  previous: { bind: ["k"], always: ["ArrowUp"], shown: "k", help: "previous alert", repeats: true },
  open: { bind: [], always: ["Enter"], shown: "Enter", help: "open the alert" },
  leave: { bind: [], always: ["Escape"], shown: "Esc", help: "close, let go of the selection" },
  expand: { bind: [], always: ["ArrowRight"], shown: "→", help: "show the firings of an episode" },
  collapse: { bind: [], always: ["ArrowLeft"], shown: "←", help: "hide them" },
  acted: { bind: ["a"], shown: "a", help: "we acted on it", writes: true },
  dismissed: { bind: ["d"], shown: "d", help: "dismiss it: no action needed", writes: true },
  actedWhy: { bind: ["Shift+a"], shown: "A", help: "acted, with a reason", writes: true },
  dismissedWhy: { bind: ["Shift+d"], shown: "D", help: "dismiss, with a reason", writes: true },
  snooze: { bind: ["s"], shown: "s", help: "snooze", writes: true },
  undo: { bind: ["u"], shown: "u", help: "undo the last one", writes: true },
  select: { bind: ["x"], shown: "x", help: "select", writes: true },
  selectTo: { bind: ["Shift+x"], shown: "X", help: "select all from the last selected one", writes: true },
  selectDown: { bind: ["Shift+j"], always: ["Shift+ArrowDown"], shown: "Shift j", help: "select downwards", writes: true, repeats: true },
  selectUp: { bind: ["Shift+k"], always: ["Shift+ArrowUp"], shown: "Shift k", help: "select upwards", writes: true, repeats: true },
  take: { bind: ["."], shown: ".", help: "take the new alerts in" },
  search: { bind: ["[Shift]+/"], shown: "/", help: "search" },
  pause: { bind: ["p"], shown: "p", help: "pause and go on" },
  copy: { bind: ["y"], shown: "y", help: "copy the link" },
  help: { bind: ["[Shift]+?"], shown: "?", help: "these keys" },
};

const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";

/**
 * Bind all keys.
 * @param {Record<string, () => void>} commands what each name does
 * @param {{letters: () => boolean}} switches whether letters are on
 */
export function bind(commands, { letters }) {
  const bindings = {};
  for (const [name, key] of Object.entries(KEYS)) {
    const run = (needsLetters) => (event) => {
      if ((needsLetters && !letters()) || (event.repeat && !key.repeats)) return;
      if (commands[name](event) !== false) event.preventDefault();
    };
    for (const one of key.bind) bindings[one] = run(true);
    for (const one of key.always ?? []) bindings[one] = run(false);
  }
  return tinykeys(window, bindings, { ignore });
}

function ignore(event) {
  const { target } = event;
  if (event.isComposing || document.querySelector("dialog[open]")) return true;
  if (event.key === "Escape") return false;
  return target instanceof Element && (target.matches(FIELDS) || (event.key === "Enter" && target.matches("a:not(.title), button")));
}
