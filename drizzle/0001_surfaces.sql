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
ALTER TABLE "lethe"."erasure" ADD COLUMN "held_by" text;--> statement-breakpoint
ALTER TABLE "lethe"."erasure" ADD COLUMN "sign_out_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "erasure_sign_out" ON "lethe"."erasure" USING btree ("sign_out_at") WHERE sign_out_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "erasure_held" ON "lethe"."erasure" USING btree ("held_by") WHERE held_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "erasure_state" ON "lethe"."erasure" USING btree ("state","id");