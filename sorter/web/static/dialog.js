// A dialog that changes something: asks by whom and why, sends it, and says what was refused.

import { saying } from "./ask.js";
import { caller } from "./login.js";

const KEY = "sorter.who";

// What was done last stays on the screen, wherever that is scrolled, until something else is.
export function tellDone(text) {
  document.getElementById("done").textContent = text;
}

export class Dialog {
  // `send` gets { who, why }, and returns what the page then says that it did.
  constructor(dialog, send) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.problem = dialog.querySelector("[role=alert]");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(send);
    });
    dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
  }

  show() {
    const { who, why } = this.form.elements;
    who.value = caller ?? localStorage.getItem(KEY) ?? "";
    why.value = "";
    this.problem.textContent = "";
    tellDone("");
    this.dialog.showModal();
  }

  async submit(send) {
    const { who, why } = this.form.elements;
    const button = this.form.querySelector(".do");
    button.disabled = true; // it is sent once
    this.problem.textContent = "";
    try {
      const done = await send({ who: who.value.trim(), why: why.value.trim() });
      if (!caller) localStorage.setItem(KEY, who.value.trim());
      this.dialog.close();
      tellDone(`✓ ${done}`);
    } catch (error) {
      this.problem.textContent = `! ${saying(error)}`;
    } finally {
      button.disabled = false;
    }
  }
}
