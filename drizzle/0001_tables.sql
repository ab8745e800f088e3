CREATE TABLE "lethe"."catalog" (
	"digest" text PRIMARY KEY NOT NULL,
	"source" jsonb NOT NULL,
	"first_used_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lethe"."duty" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text,
	"held_until" timestamp with time zone,
	"done_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "lethe"."throughput" (
	"location" text PRIMARY KEY NOT NULL,
	"rows" double precision NOT NULL,
	"ms" double precision NOT NULL,
	"measured_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "erasure_held" ON "lethe"."erasure" USING btree ("held_at") WHERE held_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "erasure_state" ON "lethe"."erasure" USING btree ("state","id");