// Logs in where the service asks for a key: shown once, a cookie stands for it from then on.

import { word } from "./words.js";

const $ = (id) => document.getElementById(id);
let session = false;

async function ask(method, content) {
  const answer = await fetch("/session", {
    method, headers: content ? { "Content-Type": "application/json" } : {},
    body: content && JSON.stringify(content),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(answer.status === 401 ? word("wrong_key") : told.detail);
  session = told.how === "session";
}

// Shows the form while a key is wanted, and the way out while there is a session.
export function wantKey(wanted) {
  $("login").hidden = !wanted;
  $("log-out").hidden = wanted || !session;
}

export async function startLogin(then) {
  const tell = (error) => ($("login-problem").textContent = error ? error.message : "");
  $("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask("POST", { key: $("key").value.trim() });
      $("key").value = "";
      tell();
      then();
    } catch (error) {
      tell(error);
    }
  });
  $("log-out").addEventListener("click", async () => {
    await ask("DELETE").catch(tell);
    then();
  });
  await ask("GET").catch(tell);
}
