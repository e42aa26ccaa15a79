// Asks for the picture of a line every second and shows it.

import { get, saying } from "./ask.js";
import { ChuteDialog } from "./chutes.js";
import { tellDone } from "./dialog.js";
import { Drawing, make, SHAPES, stateOf } from "./drawing.js";
import { element } from "./element.js";
import { startLogin, wantKey } from "./login.js";
import { Plans } from "./plans.js";
import { language, milliseconds, number, percent, toggleLanguage, word } from "./words.js";

const PERIOD_MS = 1000;
const $ = (id) => document.getElementById(id);
const drawing = new Drawing();
let picture = null;
const plans = new Plans(() => $("line").value || null, turn);
let asking = 0;

async function fillLines() {
  const names = (await get("/lines")).lines.map((line) => line.name);
  const select = $("line");
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  const wanted = decodeURIComponent(location.hash.slice(1));
  select.value = names.includes(wanted) ? wanted : names[0];
}

async function turn() {
  const mine = ++asking;
  let problem = "";
  let refused = false;
  try {
    if (!$("line").value) await fillLines();
    const fresh = await get(`/lines/${encodeURIComponent($("line").value)}/picture`);
    if (mine === asking) {
      picture = fresh;
      drawing.take(fresh, performance.now());
      show();
      plans.follow(performance.now());
    }
    problem = fresh.problem || fresh.line.link.problem || fresh.recorder.problem;
  } catch (error) {
    refused = error.status === 401;
    problem = refused ? word("show_key") : saying(error);
    drawing.running = false;
  }
  if (mine !== asking) return;
  wantKey(refused);
  $("problem").hidden = problem === "";
  $("problem").textContent = problem;
  setTimeout(() => mine === asking && !document.hidden && turn(), PERIOD_MS);
}

function show() {
  const { line, recorder } = picture;
  $("site").textContent = picture.site;
  showStates(line, recorder);
  const numbers = line.numbers;
  const centre = {
    rate: number(numbers.pieces_per_hour), on_sorter: number(picture.in_flight),
    slack50: milliseconds(numbers.slack_ms.p50),
  };
  for (const node of document.querySelectorAll("[data-number]"))
    node.textContent = centre[node.dataset.number];
  showLedger(line.ledger);
  const cards = [
    ["read_rate", percent(numbers.read_rate)],
    ["recirculation", percent(numbers.recirculation)],
    ["slack", `${milliseconds(numbers.slack_ms.p50)} / ${milliseconds(numbers.slack_ms.p99)}`],
    ["answer", `${milliseconds(numbers.answer_ms.p50)} / ${milliseconds(numbers.answer_ms.p99)}`],
    ["misses", number(numbers.deadline_misses), numbers.deadline_misses > 0],
    ["rows", number(recorder.rows)],
    ["lag", milliseconds(recorder.lag_seconds * 1000), recorder.lag_seconds > 10],
    ["plan", `${line.plan.name} · ${line.plan.version}`],
  ];
  $("numbers").replaceChildren(...cards.map(([key, text, bad]) => {
    const card = element("div", "", bad ? "bad" : "");
    card.append(element("dt", word(key)), element("dd", text));
    return card;
  }));
  if ($("table").open) showTable();
}

function showStates(line, recorder) {
  const link = line.link;
  const states = [
    ["plc", link.fenced ? "fenced" : link.connected ? link.machine_state : "away",
      link.connected && !link.fenced && link.machine_state === "execute"],
    ...(link.standby ? [["line", "standby", true]] : []),
    ...(line.quarantined ? [["line", "quarantined", false]] : []),
    ["process", picture.problem ? "away" : "well", !picture.problem],
    ["database", recorder.connected ? "well" : "away", recorder.connected],
  ];
  const texts = states.map(([what, state]) => `${word(what)} ${word(state)}`);
  if ($("states").dataset.texts === texts.join()) return;
  $("states").dataset.texts = texts.join();
  $("states").replaceChildren(...states.map(([, , well], index) =>
    element("li", `${well ? "✓" : "!"} ${texts[index]}`, well ? "well" : "bad")));
}

function showLedger(ledger) {
  const term = (key) => {
    const node = element("span", "", "term");
    node.append(element("b", number(ledger[key])), ` ${word(key)}`);
    return node;
  };
  const rest = term("unexplained");
  rest.className = `term rest ${ledger.unexplained === 0 ? "well" : "bad"}`;
  rest.prepend(ledger.unexplained === 0 ? "✓ " : "! ");
  $("ledger").replaceChildren(
    element("h2", word("ledger")), term("inducted"), "=", term("discharged"), "+",
    term("on_sorter"), "+", term("removed"), "+", term("lost"), rest);
}

function showTable() {
  const columns = ["chute", "group", "position", "state", "fill", "reserved", "total"];
  const head = element("tr");
  head.append(...columns.map((key) => element("th", word(key))));
  $("table").querySelector("thead").replaceChildren(head);
  $("table").querySelector("tbody").replaceChildren(...picture.chutes.map((chute) => {
    const row = element("tr");
    const cells = [chute.chute, chute.group, `${number(chute.position_mm / 1000, 1)} m`,
      word(stateOf(chute)), `${number(chute.fill)} / ${number(chute.capacity)}`,
      number(chute.reserved), number(chute.discharged)];
    row.append(...cells.map((text) => element("td", text)));
    return row;
  }));
}

function showLegend() {
  const svg = (className, shape) =>
    make("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" },
      make("g", { class: className }, shape));
  const entry = (icon, key) => {
    const item = element("li");
    item.append(icon, word(key));
    return item;
  };
  const box = () => make("rect", { class: "box", x: -8, y: -9, width: 16, height: 18, rx: 3 });
  $("legend").replaceChildren(
    ...["open", "full", "locked", "blocked", "unknown"].map((state) =>
      entry(svg(`chute ${state}`, box()), state)),
    ...Object.keys(SHAPES).map((kind) =>
      entry(svg("", make("path", { class: `piece ${kind}`, d: SHAPES[kind] })), `piece_${kind}`)));
}

function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = word("title");
  for (const node of document.querySelectorAll("[data-word]"))
    node.textContent = word(node.dataset.word);
  $("picture-title").textContent = word("picture");
  $("language").textContent = word("other");
  $("language").lang = language === "zh" ? "en" : "zh";
  showLegend();
  drawing.relabel();
  plans.show(true);
  if (picture) {
    drawing.drawChutes(picture.chutes);
    show();
  }
}

$("language").addEventListener("click", () => {
  toggleLanguage();
  tellDone("");
  speak();
});
$("line").addEventListener("change", () => {
  location.hash = encodeURIComponent($("line").value);
  tellDone("");
  drawing.clear();
  plans.clear();
  turn();
});
$("table").addEventListener("toggle", () => picture && $("table").open && showTable());
document.addEventListener("visibilitychange", () => document.hidden || turn());
new ChuteDialog(() => picture, turn);
speak();
startLogin(turn).then(turn);
