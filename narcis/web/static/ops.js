// What is live on the desk is fetched again every few seconds while somebody looks; pictures are judged by keyboard.

const live = [...document.querySelectorAll("[data-live]")];

async function renew() {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(part.id);
    if (next && next.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.innerHTML = next.innerHTML;
  }
}
if (live.length) setInterval(renew, 2500);

const sheet = document.querySelector(".sheet");
sheet?.addEventListener("keydown", async (event) => {
  const prints = [...sheet.querySelectorAll(".print")];
  const at = prints.indexOf(event.target.closest(".print"));
  const row = prints.filter((one) => one.offsetTop === prints[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
  const place = { w: "wall", c: "curated", p: "production", d: "discarded" }[event.key];
  if (step) prints[at + step]?.querySelector("input").focus();
  else if (place && at >= 0 && !event.ctrlKey && !event.metaKey) {
    const body = new URLSearchParams({ id: prints[at].dataset.id, place });
    const answer = await fetch("/ops/pictures", { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect" && !answer.ok) return;
    (prints[at + 1] ?? prints[at - 1])?.querySelector("input").focus();
    prints[at].remove();
  } else return;
  event.preventDefault();
});
