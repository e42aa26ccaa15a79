// Locks and unlocks a chute: by a button and a list, or by a click on the chute in the picture.

import { ask, get } from "./ask.js";
import { Dialog } from "./dialog.js";
import { stateOf } from "./drawing.js";
import { fill, instant, word } from "./words.js";

const $ = (id) => document.getElementById(id);

export class ChuteDialog {
  // `seen` returns the newest picture, or null; `then` is called once something was changed.
  constructor(seen, then) {
    this.seen = seen;
    this.locks = {};
    this.dialog = new Dialog($("chute-dialog"), async (responsible) => {
      const told = await this.send(responsible);
      then();
      return told;
    });
    $("chute-open").addEventListener("click", () => this.show());
    $("chute").addEventListener("change", () => this.choose());
    $("chutes").addEventListener("click", (event) => {
      const chute = event.target.closest(".chute");
      if (chute) this.show(chute.dataset.chute);
    });
  }

  async show(wanted) {
    const picture = this.seen();
    if (!picture) return;
    this.line = picture.line.name;
    // What the list says stays as it is while it is open: a button must not change its meaning
    // between reading and pressing.
    this.listed = new Map(picture.chutes.map((chute) => [String(chute.chute), chute]));
    this.locks = {};
    $("chute").replaceChildren(...picture.chutes.map((chute) => new Option(
      [chute.chute, chute.group, word(stateOf(chute))].filter((part) => part !== "").join(" · "),
      chute.chute)));
    if (wanted) $("chute").value = wanted;
    this.choose();
    this.dialog.show();
    const told = await get(`${this.path()}/plans?limit=1`).catch(() => null);
    this.locks = told?.locked ?? {};
    this.tellLock();
  }

  path() {
    return `/lines/${encodeURIComponent(this.line)}`;
  }

  choose() {
    this.locking = !this.listed.get($("chute").value)?.locked;
    $("chute-dialog").querySelector("h2").textContent = word(this.locking ? "lock_it" : "unlock_it");
    $("chute-dialog").querySelector(".do").textContent = word(this.locking ? "lock" : "unlock");
    this.tellLock();
  }

  // By whom, since when and why the chosen chute is locked.
  tellLock() {
    const lock = this.locks[$("chute").value];
    $("chute-lock").textContent =
      lock ? fill("locked_by", { ...lock, since: instant(lock.since) }) : "";
  }

  async send(responsible) {
    const chute = $("chute").value;
    const locks = this.locking;
    await ask("POST", `${this.path()}/chutes/${chute}/${locks ? "lock" : "unlock"}`, responsible);
    return fill(locks ? "was_locked" : "was_unlocked", { line: this.line, chute });
  }
}
