import { useQuery } from "@tanstack/react-query";
import { expect, it } from "vitest";

import { renderPage, screen } from "../test/harness";
import { FIND_TIMEOUT_MS } from "../test/policy";
import { useChange } from "./useChange";

/** A service whose list is answered only when the test says so; what it answers is what it knew when it was asked. */
function slowService() {
  const known: string[] = [];
  const open: (() => void)[] = [];
  return {
    list: () => {
      const then = [...known];
      return new Promise<string[]>((resolve) => open.push(() => resolve(then)));
    },
    add: async () => void known.push("a purchase"),
    /** Answers the oldest open question. */
    answer: () => open.shift()?.(),
    asked: () => open.length,
  };
}

function Page({ service }: { service: ReturnType<typeof slowService> }) {
  const list = useQuery({ queryKey: ["list"], queryFn: service.list });
  const change = useChange(service.add, [["list"]]);
  return (
    <>
      <button onClick={() => change.mutate(undefined)}>Add</button>
      <p>{list.data ? `there are ${list.data.length}` : "loading"}</p>
    </>
  );
}

it("a list that was asked for before the change and answered after it is asked for again", async () => {
  const service = slowService();
  const user = renderPage(<Page service={service} />);
  expect(service.asked()).toBe(1);
  await user.click(screen.getByRole("button", { name: "Add" }));
  await expect.poll(service.asked, { timeout: FIND_TIMEOUT_MS }).toBe(2);
  service.answer();
  service.answer();
  expect(await screen.findByText("there are 1")).toBeVisible();
});
