"use strict";
// The key lives in this variable alone: no storage of the browser keeps it.
let key = "";

function headers() {
  return key ? { authorization: "Bearer " + key } : {};
}

function attempts(root) {
  for (const form of root.querySelectorAll("form.try")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = form.querySelector("pre");
      const button = form.querySelector("button");
      button.disabled = true;
      let text;
      let good = false;
      try {
        const answer = await fetch(form.dataset.path, {
          method: "POST",
          headers: { ...headers(), "content-type": "application/json" },
          body: form.querySelector("textarea").value,
        });
        good = answer.ok;
        text = await answer.text();
        try {
          text = JSON.stringify(JSON.parse(text), null, 2);
        } catch {
          // Not JSON: it is shown as it came.
        }
        text = answer.status + "\n" + text;
      } catch (error) {
        text = "The server did not answer: " + error.message;
      }
      said.hidden = false;
      said.className = good ? "" : "bad";
      said.textContent = text;
      button.disabled = false;
      button.focus();
    });
  }
}

const asks = document.getElementById("key");
if (asks) {
  asks.addEventListener("submit", async (event) => {
    event.preventDefault();
    key = document.getElementById("word").value.trim();
    const main = document.getElementById("main");
    try {
      const answer = await fetch("/", { headers: headers() });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main.replaceChildren(...page.getElementById("main").childNodes);
      attempts(main);
    } catch (error) {
      main.textContent = "The server did not answer: " + error.message;
    }
  });
}
attempts(document);
