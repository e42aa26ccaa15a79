// Draws the sorter: belt, stations, chutes and the pieces on their way.

import { CONVEYOR } from "./conveyor.js";
import { LOOP } from "./loop.js";
import { Times } from "./times.js";
import { word } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const CELL = 16;
const CHUTE_NEAR = 18, CHUTE_LENGTH = 52;
const NARROW = 8;
const DROP_MS = 350;
const STILL_THERE_MS = 2500;
const STEADY_MS = 200;
const MOVING = !matchMedia("(prefers-reduced-motion: reduce)").matches;

const $ = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export const stateOf = (chute) =>
  chute.locked ? "locked" : chute.state === "emptied" ? "open" : chute.state;

export class Drawing {
  constructor() {
    this.speed = 1;
    this.chutes = new Map();
    this.stations = new Map();
    this.pieces = new Map();
    this.running = false;
    this.bed = make("path", { class: "bed" });
    this.belt = make("path", { class: "cells" });
    this.scanner = make("g", { class: "scanner" },
      make("rect", { x: -5, y: -24, width: 10, height: 48, rx: 3 }),
      make("text", { x: 0, y: -32 }));
    this.back = make("text", { x: 250, y: 300, class: "note" });
    $("belt").append(this.bed, this.belt, this.scanner, this.back);
    this.become(LOOP);
    requestAnimationFrame((now) => this.frame(now));
  }

  // Draw the belt of another kind of sorter, and begin to learn its times.
  become(geometry) {
    this.geometry = geometry;
    this.times = new Times(geometry);
    for (const path of [this.bed, this.belt]) path.setAttribute("d", geometry.track);
    this.place(this.scanner, geometry.scanner);
    this.back.textContent = geometry.note && word(geometry.note);
  }

  place(node, distance, lift = 0) {
    const { x, y, turn } = this.geometry.at(distance);
    node.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${turn.toFixed(1)}) translate(0 ${-lift})`);
  }

  clear() {
    for (const [map, group] of [[this.chutes, "chutes"], [this.stations, "stations"], [this.pieces, "pieces"]]) {
      map.clear();
      $(group).replaceChildren();
    }
    this.times = new Times(this.geometry);
  }

  // Take over a new picture; it is drawn from the next frame on.
  take(picture, now) {
    this.speed = picture.speed_mm_s;
    const geometry = picture.machine === "diverter" ? CONVEYOR : LOOP;
    if (geometry !== this.geometry) this.become(geometry);
    this.times.learn(picture);
    this.running = picture.problem === "" && picture.line.link.connected &&
      picture.line.link.machine_state === "execute";
    this.cellMs = (CELL / (this.geometry.chuteZone / this.times.last));
    this.drawChutes(picture.chutes);
    this.drawStations();
    this.takePieces(picture.pieces, now);
    this.relabel();
  }

  relabel() {
    this.scanner.lastChild.textContent = word("scanner");
    this.back.textContent = this.geometry.note && word(this.geometry.note);
    for (const [station, node] of this.stations)
      node.lastChild.textContent = `${word("induction")} ${station}`;
  }

  drawChutes(chutes) {
    const order = [...chutes].sort((a, b) => a.position_mm - b.position_mm);
    const where = order.map((chute) => this.times.afterScan(this.travel(chute)));
    const gaps = where.slice(1).map((d, i) => d - where[i]).filter((gap) => gap > 0.5);
    const pitch = Math.min(40, ...gaps);
    const width = Math.max(1.5, Math.min(24, pitch * 0.78));
    const digits = String(Math.max(...order.map((chute) => chute.chute))).length;
    const every = Math.max(1, Math.ceil((7 * digits + 4) / pitch));
    order.forEach((chute, index) => {
      let node = this.chutes.get(chute.chute);
      if (!node) {
        node = make("g", {}, make("rect", { class: "box", rx: 3 }), make("rect", { class: "level", rx: 2 }),
          make("text", {}), make("title"));
        $("chutes").append(node);
        node.dataset.chute = chute.chute;
        this.chutes.set(chute.chute, node);
      }
      this.drawChute(node, chute, where[index], width, index % every === 0);
    });
  }

  drawChute(node, chute, distance, width, labelled) {
    const [box, level, label, title] = node.children;
    this.place(node, distance);
    node.dataset.travel = this.travel(chute);
    const state = stateOf(chute);
    node.setAttribute("class", `chute ${state}`);
    const share = chute.capacity ? Math.min(1, chute.fill / chute.capacity) : 0;
    const height = share * (CHUTE_LENGTH - 4);
    const set = (rect, x, y, w, h) => {
      for (const [key, value] of Object.entries({ x, y, width: w, height: h }))
        rect.setAttribute(key, value.toFixed(1));
    };
    set(box, -width / 2, -CHUTE_NEAR - CHUTE_LENGTH, width, CHUTE_LENGTH);
    const inset = width < NARROW ? 0 : 2;
    node.classList.toggle("narrow", width < NARROW);
    set(level, -width / 2 + inset, -CHUTE_NEAR - CHUTE_LENGTH + 2, width - 2 * inset, height);
    label.textContent = labelled ? chute.chute : "";
    const upright = -this.geometry.at(distance).turn;
    label.setAttribute("transform", `translate(0 ${-CHUTE_NEAR - CHUTE_LENGTH - 10}) rotate(${upright})`);
    title.textContent =
      `${word("chute")} ${chute.chute}  ${chute.group}\n${word(state)}  ${chute.fill} / ${chute.capacity}` +
      `\n${word("reserved")} ${chute.reserved}  ${word("total")} ${chute.discharged}`;
  }

  travel(chute) {
    return (chute.position_mm / Math.max(1, this.speed)) * 1000;
  }

  drawStations() {
    for (const [station, before] of this.times.station) {
      let node = this.stations.get(station);
      if (!node) {
        node = make("g", { class: "station" }, make("path", { d: "M-9 -16h18l-4 -20h-10z" }),
          make("text", {}));
        $("stations").append(node);
        this.stations.set(station, node);
      }
      const distance = this.times.beforeScan(before);
      this.place(node, distance);
      node.lastChild.setAttribute("transform", `translate(0 -42) rotate(${-this.geometry.at(distance).turn})`);
    }
  }

  takePieces(pieces, now) {
    const seen = new Set();
    for (const piece of pieces) {
      seen.add(piece.piece_id);
      let mark = this.pieces.get(piece.piece_id);
      if (!mark) {
        mark = { node: make("path"), inducted: -Infinity, scanned: null };
        $("pieces").append(mark.node);
        this.pieces.set(piece.piece_id, mark);
      }
      // A picture arrives a little early or late; a piece must not jerk for it.
      const steady = (old, fresh) => (Math.abs(old - fresh) < STEADY_MS ? old : fresh);
      mark.inducted = steady(mark.inducted, now - piece.since_induction_ms);
      mark.scanned = piece.since_scan_ms === null ? null
        : steady(mark.scanned ?? -Infinity, now - piece.since_scan_ms);
      mark.station = piece.station;
      const chute = this.chutes.get(piece.chute);
      mark.drop = chute ? Number(chute.dataset.travel) : null;
      const kind = piece.since_scan_ms === null ? "waiting"
        : piece.disposition === "recirculated" || piece.disposition === "none" ? "round"
        : piece.disposition === "routed" || piece.disposition === "overflow" ? "routed" : "exception";
      mark.node.setAttribute("class", `piece ${kind}`);
      mark.node.setAttribute("d", SHAPES[kind]);
    }
    for (const [id, mark] of this.pieces) {
      if (seen.has(id)) continue;
      mark.node.remove();
      this.pieces.delete(id);
    }
  }

  frame(now) {
    if (this.running && MOVING)
      this.belt.setAttribute("stroke-dashoffset", (-(now / this.cellMs) * CELL % CELL).toFixed(2));
    if (MOVING || now - (this.drawn ?? 0) > 1000) {
      this.drawn = now;
      for (const mark of this.pieces.values()) this.move(mark, now);
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  move(mark, now) {
    let distance, lift = 0, shown = true;
    if (mark.scanned === null) {
      const whole = this.times.station.get(mark.station) ?? this.times.back / 2;
      distance = this.times.beforeScan(whole - (now - mark.inducted));
    } else {
      const since = now - mark.scanned;
      distance = this.times.afterScan(since);
      if (mark.drop !== null && since > mark.drop && since < mark.drop + STILL_THERE_MS) {
        const fallen = (since - mark.drop) / DROP_MS;
        distance = this.times.afterScan(mark.drop);
        lift = Math.min(1, fallen) * (CHUTE_NEAR + CHUTE_LENGTH / 2);
        shown = fallen < 1;
      }
    }
    this.place(mark.node, Math.min(distance, this.geometry.end), lift);
    mark.node.classList.toggle("gone", !shown);
  }
}

// Told apart by shape, not by colour alone.
export const SHAPES = {
  routed: "M-6 -6h12v12h-12z",
  waiting: "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z",
  round: "M-6 -6h12v12h-12z",
  exception: "M0 -8L8 0L0 8L-8 0z",
};
