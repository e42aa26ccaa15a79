// The versions of a line's plan: who kept which and why, which is active or waits, and changing it.

import { ask, get, saying } from "./ask.js";
import { Dialog } from "./dialog.js";
import { element } from "./element.js";
import { fill, instant, word } from "./words.js";

const PAGE = 20;
const PERIOD_MS = 5000;
const $ = (id) => document.getElementById(id);

export class Plans {
  // `line` returns the name of the line that is shown, or null; `then` is called after a change.
  constructor(line, then) {
    this.line = line;
    this.shown = "";
    this.asked = -Infinity;
    this.before = null;
    this.dialog = new Dialog($("plan-dialog"), async (responsible) => {
      const done = await this.send(responsible);
      then();
      this.load();
      return done;
    });
    $("plans").addEventListener("toggle", () => this.load());
    $("plans-older").addEventListener("click", () => this.turnTo(this.told.next_before));
    $("plans-newest").addEventListener("click", () => this.turnTo(null));
    $("plans-back").addEventListener("click", () => this.askFor(this.told.active.previous, true));
  }

  // The list of a line looked at before is none of this one's.
  clear() {
    this.before = null;
    this.asked = -Infinity;
  }

  follow(now) {
    if (now - this.asked >= PERIOD_MS) this.load();
  }

  turnTo(before) {
    this.before = before;
    this.load();
  }

  async load() {
    const line = this.line();
    if (!$("plans").open || line === null) return;
    this.asked = performance.now();
    const wanted = `${this.path(line)}?limit=${PAGE}${this.before ? `&before=${this.before}` : ""}`;
    try {
      const told = await get(wanted);
      if (line !== this.line()) return;
      this.told = told;
      $("plans-problem").textContent = "";
      this.show();
    } catch (error) {
      $("plans-problem").textContent = `! ${saying(error)}`;
    }
  }

  path(line) {
    return `/lines/${encodeURIComponent(line)}/plans`;
  }

  // Shows the list where it differs from what is shown: a button must not vanish under the hand.
  show(anew = false) {
    if (!this.told) return;
    const { active, pending, held, versions, next_before } = this.told;
    const shown = JSON.stringify([active, pending, held, versions, next_before]);
    if (shown === this.shown && !anew) return;
    this.shown = shown;
    const columns = ["version", "plan", "kept_at", "kept_by", "kept_why", "state", ""];
    const head = element("tr");
    head.append(...columns.map((key) => element("th", key && word(key))));
    $("plans").querySelector("thead").replaceChildren(head);
    $("plans").querySelector("tbody").replaceChildren(
      ...[...versions].reverse().map((version) => this.row(version)));
    $("plans-older").hidden = next_before === null;
    $("plans-newest").hidden = this.before === null;
    $("plans-back").hidden = !active.previous;
    $("plans-back").textContent = fill("roll_back_to", { version: active.previous });
  }

  row(version) {
    const { active, pending } = this.told;
    const row = element("tr", "", version.number === active.version ? "active" : "");
    const texts = [version.number, version.name, instant(version.made_at), version.who, version.why,
      this.state(version.number)];
    row.append(...texts.map((text) => element("td", text)));
    const cell = element("td");
    // The active one can be asked for too where another one waits: then that waits no more.
    if (version.number !== active.version || pending) {
      const button = element("button", word("activate"));
      button.type = "button";
      button.setAttribute("aria-label", fill("activate_it", { version: version.number }));
      button.addEventListener("click", () => this.askFor(version.number, false));
      cell.append(button);
    }
    row.append(cell);
    return row;
  }

  state(number) {
    const { active, pending, held } = this.told;
    const parts = [];
    if (number === active.version)
      parts.push(`✓ ${fill("active_by", { ...active, since: instant(active.since) })}`);
    if (pending?.version === number) parts.push(this.waiting(pending));
    if (number !== active.version && held.includes(number)) parts.push(word("in_use"));
    return parts.join("; ");
  }

  waiting(pending) {
    const when = pending.when === "empty" ? word("when_empty") : instant(pending.when);
    return fill("waits_for", { ...pending, when });
  }

  // What the dialog tells is what is sent: the version seen active, and whether one waits.
  askFor(version, back) {
    const { line, active, pending } = this.told;
    this.order = { line, version, back, expect: active.version, replace: pending !== null };
    $("plan-title").textContent = fill(back ? "roll_back_to" : "activate_it", { version });
    $("plan-active").textContent = `${fill("version_is", { version: active.version })} ` +
      fill("active_by", { ...active, since: instant(active.since) });
    $("plan-waits").textContent = pending
      ? `! ${fill("version_is", pending)} ${this.waiting(pending)}. ${word("replaces")}` : "";
    $("when").value = "now";
    $("when").closest("label").hidden = back;
    $("plan-dialog").querySelector(".do").textContent = word(back ? "roll_back" : "activate");
    this.dialog.show();
  }

  async send(responsible) {
    const { line, version, back, expect, replace } = this.order;
    const when = back ? "now" : $("when").value;
    const body = { ...responsible, expect, replace };
    const told = await ask("POST", `${this.path(line)}/${back ? "rollback" : "activate"}`,
      back ? body : { ...body, version, when });
    return fill(told.pending ? "is_waiting" : "is_active", { line, version });
  }
}
