// The one dialog of the page: a choice, or something to read. The browser keeps the focus in it and closes it with Esc.

import { render } from "./vendor/lit-html/lit-html.js";
import { choices } from "./panels.js";

const dialog = document.getElementById("dialog");

/** Show a template until it is closed. */
export function tell(template) {
  return opened(template);
}

/** Ask for one of `[value, text]` options by click or number, or for another one typed. @returns the value; null: none */
export function ask(title, options, other = "") {
  return opened(choices(title, options, other));
}

function opened(template) {
  render(template, dialog);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
    dialog.onsubmit = submitted;
    dialog.onclick = clicked;
    dialog.onkeydown = numbered;
  });
}

function submitted(event) {
  event.preventDefault();
  const typed = dialog.querySelector("[name=other]");
  const text = typed?.value.trim() ?? "";
  if (!typed || text) dialog.close(text);
}

function clicked(event) {
  const button = event.target.closest("button[type=button]");
  if (button) dialog.close(button.value);
}

function numbered(event) {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
  const option = dialog.querySelectorAll(".option")[Number(event.key) - 1];
  if (option && /^[1-9]$/.test(event.key)) {
    event.preventDefault();
    option.click();
  }
}
