// Asks the service, in JSON; what it refuses is an error with its own words and its status.

import { word } from "./words.js";

export async function ask(method, path, content) {
  const headers = { Accept: "application/json" };
  if (content) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: content && JSON.stringify(content) });
  const told = await answer.json();
  if (!answer.ok)
    throw Object.assign(new Error(told.detail ?? answer.statusText), { status: answer.status });
  return told;
}

export const get = (path) => ask("GET", path);

// What an error says to the one who looks: fetch itself raises TypeError where nobody answers.
export const saying = (error) => (error instanceof TypeError ? word("no_answer") : error.message);
