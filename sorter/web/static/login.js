// Logs in where the service asks for a key: shown once, a cookie stands for it from then on.

import { ask } from "./ask.js";
import { word } from "./words.js";

const $ = (id) => document.getElementById(id);
let session = false;
export let caller = null;

async function asked(method, content) {
  const told = await ask(method, "/session", content);
  session = told.how === "session";
  caller = session ? told.name : null;
}

// Shows the form while a key is wanted, and the way out while there is a session.
export function wantKey(wanted) {
  $("login").hidden = !wanted;
  $("log-out").hidden = wanted || !session;
}

export async function startLogin(then) {
  const tell = (error) => ($("login-problem").textContent = !error ? ""
    : error.status === 401 ? word("wrong_key") : error.message);
  $("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await asked("POST", { key: $("key").value.trim() });
      $("key").value = "";
      tell();
      then();
    } catch (error) {
      tell(error);
    }
  });
  $("log-out").addEventListener("click", async () => {
    await asked("DELETE").catch(tell);
    then();
  });
  await asked("GET").catch(tell);
}
