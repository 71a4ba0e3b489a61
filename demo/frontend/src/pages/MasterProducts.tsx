import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { Choice } from "../lib/Choice";
import { api, type Category, type Product } from "../lib/api";
import { CATEGORY_LABEL, count } from "../lib/format";
import { keys } from "../lib/keys";
import { makeStale } from "../lib/useChange";

const CATEGORIES = Object.entries(CATEGORY_LABEL).map(([value, label]) => ({ value, label }));

/** All articles, and a form for a new one. */
export function MasterProducts() {
  const products = useQuery({ queryKey: keys.products, queryFn: api.products });
  return (
    <section aria-labelledby="products-title">
      <h1 id="products-title">Master products</h1>
      <NewProduct />
      {products.isPending && <p role="status">Loading…</p>}
      {products.isError && <p role="alert">{products.error.message}</p>}
      {products.data && <Products products={products.data} />}
    </section>
  );
}

function NewProduct() {
  const client = useQueryClient();
  const [sku, setSku] = useState("");
  const [title, setTitle] = useState("");
  const [category, setCategory] = useState<Category>("games");
  const add = useMutation({
    mutationFn: () => api.addProduct({ sku, title, category }),
    onSuccess: () => {
      setSku("");
      setTitle("");
    },
    onSettled: () => makeStale(client, keys.products),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <form aria-label="New product" onSubmit={submit}>
      <label>
        SKU <input value={sku} onChange={(event) => setSku(event.target.value)} />
      </label>
      <label>
        Title <input value={title} onChange={(event) => setTitle(event.target.value)} />
      </label>
      <Choice label="Category" value={category} options={CATEGORIES} onChange={(value) => setCategory(value as Category)} />
      <button disabled={add.isPending || !sku.trim() || !title.trim()}>Add</button>
      {add.isError && <p role="alert">{add.error.message}</p>}
    </form>
  );
}

function Products({ products }: { products: Product[] }) {
  if (products.length === 0) return <p>No article yet.</p>;
  return (
    <table>
      <caption>{count(products.length, "article")}</caption>
      <thead>
        <tr>
          <th>SKU</th>
          <th>Article</th>
          <th>Category</th>
          <th>Attributes</th>
        </tr>
      </thead>
      <tbody>
        {products.map((product) => (
          <tr key={product.sku}>
            <td>{product.sku}</td>
            <td>{product.label}</td>
            <td>{CATEGORY_LABEL[product.category]}</td>
            <td>
              {Object.entries(product.attributes)
                .map(([name, value]) => `${name}: ${value}`)
                .join(", ")}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
