// Fetches the page's content every second. What it can't renew it does not leave standing: a page whose
// panel is gone says so in red, and never goes on saying OK.
"use strict";
(() => {
  const EVERY_MS = 1000, ABORT_MS = 3000, PATIENCE_MS = 3500;
  const content = document.getElementById("conteudo");
  const notice = document.getElementById("aviso");
  let renewed = performance.now(), renewedAt = Date.now();
  let word = "";

  // The one stands still while a phone sleeps, the other jumps when its clock is set.
  function age() {
    return Math.max(performance.now() - renewed, Date.now() - renewedAt);
  }

  function tell() {
    const found = content.querySelector(".palavra");
    const now = found ? found.textContent : "Sincronização: SEM NOTÍCIAS";
    document.title = now + " · Ponte";
    if (word && now !== word) notice.textContent = now;
    word = now;
  }

  function despair() {
    const seconds = Math.floor(age() / 1000);
    const headline = content.querySelector(".manchete");
    if (!headline) return;
    for (const other of content.querySelectorAll(".grade, .cartao.alarmes")) other.classList.add("velho");
    headline.className = "manchete bad";
    headline.querySelector(".simbolo").textContent = "✕";
    const title = headline.querySelector("h1");
    title.textContent = "";
    for (const [name, text] of [["palavra", "Sincronização: SEM NOTÍCIAS"], ["idade", "o painel não responde há " + seconds + " s"]]) {
      if (title.childNodes.length) title.append(" | ");
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      title.append(part);
    }
    const why = headline.querySelector(".motivos");
    if (why) why.textContent = "O que está abaixo é velho. Veja se o servidor da loja está ligado e o serviço do painel (ponte panel) roda.";
    tell();
  }

  async function renew() {
    const given = new AbortController();
    const timer = setTimeout(() => given.abort(), ABORT_MS);
    try {
      const answer = await fetch("/conteudo", { cache: "no-store", signal: given.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      content.innerHTML = await answer.text();
      renewed = performance.now();
      renewedAt = Date.now();
      tell();
    } catch {
      // The watch below says it when it is time.
    } finally {
      clearTimeout(timer);
      setTimeout(renew, EVERY_MS);
    }
  }

  tell();
  function watch() {
    if (age() > PATIENCE_MS) despair();
  }

  setTimeout(renew, EVERY_MS);
  setInterval(watch, 500);
  document.addEventListener("visibilitychange", watch);
})();
